"""Two organisations against everything there is (K-11): `tenants` fills them, `rows` says what is
asked with whose names, `asking` compares the answers, and the tests generate the cases from the
application itself.

The stranger asks for what belongs to the owner, and for what belongs to nobody: both answers must
be the same, word for word, and the owner's rows in the database too. The owner asks the same and
must get another answer: the positive control.
"""
