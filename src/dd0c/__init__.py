"""dd0c: a self-hosted control plane for teams that run software and AI."""

__version__ = "0.1.0"
