"""The control server's web: one application that carries the JSON API, the console and its health.

`app.create` puts it together from the routers that manifests bring; `requires.Requires` is how an
endpoint states its permission; `problems` is the only place that turns errors into answers.
"""
