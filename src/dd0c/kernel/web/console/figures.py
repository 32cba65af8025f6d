"""How the console writes money, counts, durations and times. Pure.

Money comes in as integer pico-dollars. `exact` never rounds, so what is shown in a table adds up;
`short` rounds to what a headline needs and is used only where the exact amount is one hover away.
None is written as a dash: not measured is not zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, localcontext

from markupsafe import Markup, escape

DASH = "–"
PICO_DIGITS = 12
_HEADLINE_DIGITS = 3


def dollars(pico: int) -> Decimal:
    """Pico-dollars as an exact Decimal of dollars."""
    sign, digits, _ = Decimal(pico).as_tuple()
    return Decimal((sign, digits, -PICO_DIGITS))


def places(amounts: Iterable[Decimal | None], least: int = 2) -> int:
    """Decimal places that show every amount exactly, at least `least`."""
    return max([least, *(_scale(amount) for amount in amounts if amount is not None)])


def _scale(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def exact(amount: Decimal | int | None, decimals: int = 2) -> str:
    """An amount (Decimal dollars, or integer pico-dollars) with all its digits and no sign."""
    if amount is None:
        return DASH
    value = dollars(amount) if isinstance(amount, int) else amount
    return f"{value:,.{max(decimals, _scale(value))}f}"


def amount(value: Decimal | int | None, decimals: int = 2) -> Markup:
    """Like `exact` in a column of `decimals` places, the zeros that only align it set apart."""
    if value is None:
        return escape(DASH)
    text = exact(value)
    return Markup("{}<span class=z>{}</span>").format(text, exact(value, decimals)[len(text) :])


def short(pico: int | None) -> str:
    """Dollars for a headline: cents from a dollar up, three leading digits below."""
    if pico is None:
        return DASH
    value = dollars(pico)
    if value == 0 or abs(value) >= 1:
        return f"${value:,.2f}"
    decimals = max(2, _HEADLINE_DIGITS - 1 - value.adjusted())
    with localcontext() as context:
        context.prec = 40
        rounded = round(value, decimals)
    return f"${rounded:.{max(2, min(decimals, _scale(rounded)))}f}"


def count(n: int | None) -> str:
    """A whole number with separators."""
    return DASH if n is None else f"{n:,}"


def plural(n: int, one: str, many: str = "") -> str:
    """`1 request`, `2 requests`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal; nothing for what is not known."""
    return "" if share is None else f"{share * 100:.1f} %"


def duration(us: int | None) -> str:
    """Microseconds in the unit a reader would choose, three digits at most."""
    if us is None:
        return DASH
    if us < 1000:
        return f"{us} µs" if us else "0 ms"
    if us < 10_000:
        return f"{us / 1000:.1f} ms"
    if us < 1_000_000:
        return f"{us / 1000:.0f} ms"
    if us < 100_000_000:
        return f"{us / 1_000_000:.2f} s"
    minutes, seconds = divmod(us // 1_000_000, 60)
    return f"{minutes} min {seconds} s"


def size(octets: int | None) -> str:
    """Bytes, decimal units."""
    if octets is None:
        return DASH
    if octets < 1000:
        return f"{octets} B"
    return f"{octets / 1000:.1f} kB" if octets < 1_000_000 else f"{octets / 1_000_000:.1f} MB"


def ticked(text: str) -> Markup:
    """A sentence in which `something` is code, as our hints and settings are written."""
    code = Markup("<code>{}</code>")
    parts = enumerate(text.split("`"))
    return Markup().join(code.format(part) if i % 2 else escape(part) for i, part in parts)


def moment(at: datetime, show: str = "full") -> Markup:
    """A `<time>` in UTC; the script rewrites it as local time, or as time since.

    `show` is `full`, `clock`, `minute` or `day`, or `ago` (12 s) and `since` (12 s ago).
    """
    utc = at.astimezone(UTC)
    iso = utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    day, clock = f"{utc:%Y-%m-%d}", f"{utc:%H:%M:%S}"
    text = {
        "full": f"{day} {clock}.{utc.microsecond // 1000:03d} UTC",
        "minute": f"{day} {utc:%H:%M} UTC",
        "day": day,
        "since": f"{day} {utc:%H:%M} UTC",
    }.get(show, clock)
    return Markup('<time datetime="{}" data-show="{}">{}</time>').format(iso, show, text)
