"""How risky a shell command is, as data and proof; for server and agent, and without either.

A text becomes a tree (two parsers, which must agree), the tree becomes invocations, and each
invocation is judged by the table of its tool, recursively where a tool runs what it is given. The
verdict is the worst finding. `safe` is never the default: it is what is left when every word was
understood. What has no table is `dangerous`; what cannot be read is `dangerous` too.

    judge(["kubectl get pods"])  ->  (Verdict(risk=Risk.SAFE, …),)

Nothing here runs a command that it is shown, reads a file that it names, or speaks to a network.
"""
