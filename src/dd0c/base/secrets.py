"""A secret that cannot be printed by accident.

`Secret` masks itself in repr, str, format and traceback, is no type of any JSON, and refuses to be
pickled. It is its own copy, so that what holds one (settings, a dataclass as a dict) can be copied.
The value leaves only through `reveal()`, which is easy to find and to review.

Every process knows the secrets that it holds, so that they can be blanked out wherever they turn
up: each is remembered while it is alive, and one that was *loaded* (`keep`) for as long as the
process lives, because drivers and parsers hold its text when our own value is long gone.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from typing import NoReturn, final
from urllib.parse import quote, quote_plus
from weakref import WeakSet

MASK = "[secret]"
KEPT_MAX = 4096
LENGTH_MIN = 6  # shorter ones would blank out ordinary words

_living: WeakSet[Secret] = WeakSet()


@final
class Secret:
    """One secret text, shown as a mask everywhere but in `reveal()`."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str):
        self._value = value
        _living.add(self)

    def reveal(self) -> str:
        """The secret itself. Call it where the value leaves the process, nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_raw(self._value), _raw(other._value))

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled: pass it by an inherited descriptor")

    def __reduce__(self) -> NoReturn:
        self.__getstate__()


class _Loaded:
    """What was loaded, and how it may be written."""

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        self.forms: tuple[str, ...] | None = ()

    def add(self, secret: Secret) -> None:
        if secret.reveal() in self.secrets:
            return
        if len(self.secrets) >= KEPT_MAX:
            del self.secrets[next(iter(self.secrets))]
        self.secrets[secret.reveal()] = secret
        self.forms = None

    def list_forms(self) -> tuple[str, ...]:
        if self.forms is None:
            found = {form for secret in self.secrets.values() for form in spellings(secret)}
            self.forms = tuple(sorted(found, key=len, reverse=True))
        return self.forms


_loaded = _Loaded()


def keep(secret: Secret) -> Secret:
    """The secret, remembered until the process ends; of very many the oldest is given up."""
    if secret:
        _loaded.add(secret)
    return secret


def known() -> Iterator[str]:
    """How the known secrets may be written: what was loaded, longest first as one may be a part of
    another, then what is merely alive."""
    yield from _loaded.list_forms()
    for secret in list(_living):
        value = secret.reveal()
        if len(value) >= LENGTH_MIN and value not in _loaded.secrets:
            yield value


def spellings(secret: Secret) -> tuple[str, ...]:
    """The text as it is, and as URLs, JSON, base64 and hex write it, longest first.

    Base64 of a longer text looks different at each of the three places where a secret may begin in
    it: what does not depend on its neighbours is looked for.
    """
    value = secret.reveal()
    if len(value) < LENGTH_MIN:
        return ()
    raw = _raw(value)
    found = {value, quote(raw, safe=""), quote_plus(raw), json.dumps(value)[1:-1]}
    found |= {json.dumps(value, ensure_ascii=False)[1:-1], raw.hex(), raw.hex().upper()}
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + raw)
        whole = coded[(8 * shift + 5) // 6 : (8 * (shift + len(raw))) // 6].decode()
        found |= {whole, whole.replace("+", "-").replace("/", "_")}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def _raw(value: str) -> bytes:
    return value.encode(errors="surrogatepass")
