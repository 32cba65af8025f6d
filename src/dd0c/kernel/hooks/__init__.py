"""Webhooks: what other systems tell us, and what we tell them (K-70, K-71).

Nouns: a *source* is an address of ours that one other system sends to; a *level* says how sure we
are that what arrived came from it. An *endpoint* is an address of somebody else's that is told of
events of the audit log; a *delivery* is one event for one endpoint, an *attempt* one try at it.

Invariants: what is signed is the bytes that came, never what was parsed; a signature is compared in
constant time, and who asks for a source that is not there costs and learns as much as who signs
badly; what arrived twice is kept once; an event is delivered at least once, always under one id.
"""
