"""Reconciling the ledger with what a provider says it charges for (R-17).

    forms         what the exports of the providers look like, as tables
    exports       reads an export: all of it, or refuses it with the line and the field
    comparison    what the provider told beside what is in the ledger, and what explains differences
    settling      lines that name a request, for attempts whose usage or cost was not known

Everything is compared by UTC day, which is how providers bill, and by model where the export has
it. Three counts of tokens are comparable across providers: everything that went in (cached or not),
what of it was read from a cache, and everything that came out (reasoning included).
"""
