"""Composition roots: one module per kind of process; the only place that knows every product."""
