"""The composition roots."""
