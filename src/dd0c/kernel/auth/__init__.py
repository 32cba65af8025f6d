"""Who is asking and what may they do: organisations, keys, sessions, permissions (K-10, K-20).

A key belongs to one organisation and carries roles (what it may do) and scopes (where it may be
used). Every way in, bearer key or console session, ends in one `principals.Principal`.
"""
