"""All SQL of run: runbooks, their versions and steps."""
