"""run: runbooks that execute safely.

Nouns: a *runbook* is a text that somebody wrote for whoever is woken at night; a *step* is one
thing that it tells the reader to do, look at, decide or wait for; a *command* is what is typed for
it; a *verdict* (`dd0c.scan`) says what a command may do to the world.

Invariants: every step says which characters of the source it was made from; no command is invented
(what the source does not delimit is marked `inferred` and never runs by itself); what cannot be
placed is left to a person, never guessed.
"""
