"""The one command line. Verbs speak the HTTP API with a key, except those that run on the host."""
