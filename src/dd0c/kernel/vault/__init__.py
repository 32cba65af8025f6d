"""The vault: secrets of organisations, sealed so that a stolen database alone reveals none.

Envelope encryption (K-30): each organisation has data keys; a data key is stored only wrapped by a
key-encryption key, which never enters the database. `envelope.Vault` seals and opens; `keychain`
has the key-encryption keys that `configured` finds: in a file (`local`), in AWS KMS (`aws`), in
Vault (`transit`). `rotation` replaces keys of both kinds, `survey` says what is under which.
"""
