"""Attacks on the running control server and gateway: each file is one way in (SECURITY.md)."""
