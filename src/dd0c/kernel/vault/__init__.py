"""The vault: secrets of organisations, sealed so that a stolen database alone reveals none.

Envelope encryption (K-30): each organisation has data keys; a data key is stored only wrapped by
the key-encryption key, which never enters the database. `envelope.Vault` seals and opens,
`local.LocalKey` is the key-encryption key in a file, `keyfile` reads and makes such files.
"""
