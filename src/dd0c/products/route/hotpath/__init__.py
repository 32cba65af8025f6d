"""The data plane: sockets, parsing, relay, meter. It never touches the database.

It may import `dd0c.base`, `dd0c.kernel.guard` and `dd0c.products.route.models`, nothing else of
ours: secrets, limits and the configuration snapshot come in as arguments.
"""
