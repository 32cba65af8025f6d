"""Real runbooks, and the steps that a careful engineer reads out of them."""
