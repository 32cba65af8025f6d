"""Inputs that nobody thought of: targets, their inputs, and what runs them (`make check-long`)."""
