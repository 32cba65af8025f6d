"""Input of others and what is expected of it."""
