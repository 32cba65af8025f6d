"""Redaction switched off, in every Python process that finds this folder on its path.

A search that finds no secret proves nothing until it was seen to find one: the canary tests run the
product once like this, and each place that can carry a secret has to show it (proofs 3).
"""

import re
import resource

from dd0c.base import crashes, redact
from dd0c.kernel.cache import embedded as valkey
from dd0c.kernel.db import embedded as postgres
from dd0c.products.route.hotpath.echoes import Forms

vars(redact)["find"] = lambda text: []
vars(crashes)["CORE_BYTES"] = resource.RLIM_INFINITY
vars(valkey)["PASSWORD"] = re.compile(".*")
postgres.QUIET.clear()
type.__setattr__(Forms, "scrub", lambda forms, data: data)
