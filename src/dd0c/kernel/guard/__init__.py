"""Limits shared by all gateways: counters in Valkey, and the windows of time that they are for."""
