"""What everybody may import and what imports nobody: errors, settings, ids, clock, secrets, log."""
