"""HTTP without TLS, for whoever speaks to a part on this machine."""

from __future__ import annotations

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""`verify=NO_TLS` trusts nobody: to read the machine's certificates takes a client 20 ms."""
