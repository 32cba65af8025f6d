"""The content store: what is too large, or too much of others, for a row of its user (K-85).

Nouns: a *content* is bytes of an organisation with a kind, an end, and a key of their own; a
*blob* is bytes that are stored and belong to nothing yet; a *place* is where bytes lie (`database`,
`files`, `objects`); a *policy* says whether, how and how long an organisation keeps a kind.

Who keeps something does it in this order (claim-check), so that whatever dies in between leaves at
most an orphan, which a sweep takes away, and never a pointer to nothing:

    blob = await contents.put(org, kinds.HOOK_BODY, body, media_type="application/json")
    async with tenancy.tenant(pool, org) as tx:            # 1. the blob is safe
        content = await contents.keep(tx, blob) if blob else None     # 2. the row; None: never kept
        await tx.execute("INSERT … (content) VALUES (%s)", (content,))    # 3. the pointer

`put` gives None where the organisation never stores this kind: say so to who asks for it. The
column is `content uuid REFERENCES kernel.contents ON DELETE SET NULL`, indexed. To read:

    opened = await contents.open(org, content)             # NotFound: another's, deleted, expired
    async for piece in opened.pieces(start=0, end=None): …

Invariants: nothing is stored in the clear, nowhere; a piece that was changed, moved, cut off or is
another content's does not open; to delete the row destroys the content, wherever its bytes lie; a
put in progress is never swept.
"""
