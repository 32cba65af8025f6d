"""Redaction switched off, in every Python process that finds this folder on its path.

A search that finds no secret proves nothing until it was seen to find one: the canary test runs the
product once like this, and each place that can carry a secret has to show it (proofs 3).
"""

from dd0c.base import redact
from dd0c.products.route.hotpath.routes import Target

vars(redact)["scrub"] = lambda text: text
type.__setattr__(Target, "scrub", lambda target, data: data)
