"""The parent of a gateway: what its workers may not do because they only serve.

It loads keys, providers and prices from PostgreSQL, follows their changes, and tells its workers
over a socketpair each; keeps the workers alive on listening sockets that outlive them; runs the
shipper; and answers for all of them on the admin port.

    feed ──> configuration ──> fleet ──> link ══ socketpair ══ worker
    (SQL)    (memory, pure)    (processes)  (frames)

Invariants: a change reaches every worker within a second at a cost that does not grow with the
number of keys; while PostgreSQL is away the workers serve with what they have; a worker that dies
or stops answering is replaced on its own socket, so no queued connection is lost; nothing of it
survives the parent's death by more than a few seconds.
"""
