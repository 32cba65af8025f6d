"""Limits shared by all gateways and control servers: counters in Valkey, and windows of time."""
