"""A runbook's text into steps: pure, deterministic, without a server (N-1, N-2)."""
