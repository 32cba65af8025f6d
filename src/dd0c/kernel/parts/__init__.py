"""Who runs: each gateway, control server and job worker has a row that it keeps fresh (K-5).

Nouns: a *part* is one running process with a role of its own; its *facts* are what it says of
itself: counts, addresses and names, never a secret.

Invariants: ages are the database's, so clocks of machines need not agree; a part that cannot reach
the database goes on without its row; what a dead process left behind is removed by the next part
of its kind on that machine, and after a day by any.
"""
