"""What `dd0c doctor` looks at: tables of checks, by what each needs to be looked at.

Nouns: a *check* is a name and a function; a *finding* is what it saw: a state, the cause, and the
remedy unless all is well. Invariants: a check changes nothing; what it compares with (bounds, the
clock) is an argument.
"""
