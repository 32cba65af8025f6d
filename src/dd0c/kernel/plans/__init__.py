"""Plans: how much an organisation may have (K-84, decision 27).

Nouns: a *plan* includes so much of each *quota*; what is not named in it has no bound.
`catalogue.py` is the table of plans, without I/O; `quotas.py` takes of them.

Invariants: who takes of a quota holds the organisation's row, so that those who take at once are
counted one after the other. What is there is counted, never kept as a number of its own: what goes
is free by itself. A smaller plan refuses more and takes nothing away.
"""
