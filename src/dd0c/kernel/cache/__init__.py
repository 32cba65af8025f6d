"""Valkey: the embedded server and the client. What it holds may be lost: PostgreSQL decides."""
