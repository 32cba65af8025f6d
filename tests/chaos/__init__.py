"""Processes of the running product are killed; nothing may be lost, doubled or left behind."""
