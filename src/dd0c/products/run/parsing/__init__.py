"""A runbook's text into steps: pure, deterministic, without a server (N-1, N-2)."""

from dd0c.products.run.parsing.reading import decode, detect, iter_steps, parse

__all__ = ["decode", "detect", "iter_steps", "parse"]
