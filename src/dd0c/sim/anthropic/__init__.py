"""Anthropic as the simulator plays it: what all its endpoints share (dialect), and messages."""
