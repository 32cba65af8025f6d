"""PostgreSQL: the embedded server, roles, migrations, pools and the one transaction helper.

A serving process speaks as a weak role (`roles.py`), takes connections from a pool (`pool.py`) and
opens transactions only through `tenancy.py`. `migrate.py` is the only code that changes the schema.
"""
