"""route: the LLM gateway that bills to the token.

Nouns: a *request* is what a caller sent; an *attempt* is one call to one provider for it (attempt 0
is an answer by dd0c itself); a *provider* is an upstream with a credential; a *price* is a set of
rates with an id; a *rating* is the cost of an attempt under a price.

Invariants: one ledger row per attempt, never lost, never doubled; usage buckets are disjoint and
absent is None; cost is integer pico-dollars or null with the reason; bytes of the same dialect pass
through untouched but for spliced values.
"""
