"""Names of time zones, as the IANA database has them."""

from __future__ import annotations

import asyncio
import zoneinfo

from dd0c.base.errors import InvalidInput

_NO_PLACE = frozenset({"Factory", "localtime"})  # says nothing, or something else on each machine


async def check(name: str) -> str:
    """The name, when it is one; InvalidInput. It must be spelled exactly."""
    known = await asyncio.to_thread(zoneinfo.available_timezones)  # opens 600 files
    if name not in known - _NO_PLACE:
        raise InvalidInput(
            f"body.time_zone: {name!r} is no time zone",
            hint="a name of the IANA database, such as Europe/Berlin, America/New_York or UTC",
        )
    return name
