"""House rules that no linter can state. Each rule is shown to fail on a bad sample beside it."""
