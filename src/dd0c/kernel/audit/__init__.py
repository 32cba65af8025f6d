"""The audit log: what happened, in an order that nobody can change afterwards (K-50, K-51).

Nouns: an *event* is told in the transaction that made it true (`outbox`); an *entry* is an event
with its place in a *log*, as canonical bytes (`entries`); a log is a Merkle tree over its entries
(`merkle`, `tree`), whose *head* is signed as a *checkpoint* (`checkpoint`). The `chainer` makes
entries of events. `reading` finds them again, `verify` says whether they are what they were.

Invariants: an event is in the log if and only if its transaction was committed. Sequences of a log
begin at 1 and have no gap. Bytes of an entry are written once. Nothing that must ever be forgotten
is in them: what is private has a commitment there, and lies sealed elsewhere.
"""
