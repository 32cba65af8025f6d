"""How far the products act by themselves, and the brake (K-63).

Nouns: an organisation's *mode* is `audit` (decide and record, act as asked) or `strict` (act by
policy); a *panic* stops autonomous action, of one organisation or everywhere; a *channel* is a way
by which the word of a panic reaches a process; a *word* is the last that a channel said.

Invariants: the strictest word of all channels holds. A channel that is away, and one that does not
mention somebody, keeps its last word: no panic ends because something died. `states.py` decides,
without I/O; `panics.py` is the database's channel, `cache.py` Valkey's, `local.py` the file; the
`brake` of a process is what it heard of all of them, `watching.py` listens for it.
"""
