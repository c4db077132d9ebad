"""One event with its value, for those who may see values; the look is on record first.

The row goes into the audit table of the service that said the event, as its own role writes it.
Where it cannot be written nothing is shown.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from ops.following import described, envelope_or_none
from ops.monitor.feed import Feed
from ops.monitor.gate import Refused, may_see
from ops.monitor.looks import record_look
from shared.bus.port import BusError, OffsetOutOfRange
from shared.contracts.catalogue import PRODUCERS, topics_said_by
from shared.contracts.envelope import PARTITIONS
from shared.web.tokens import Principal

NOTHING = Refused(404, "event.unknown", "There is no such event.")


async def event_with_value(
    feed: Feed,
    urls: Mapping[str, str],
    principal: Principal,
    place: tuple[str, int, int],
) -> dict[str, Any]:
    """The event at (topic, partition, offset) and its value. `urls`: the CLINICBUS_ variables.

    Raises Refused: 404 also for what is of another network or clinic.
    """
    topic, partition, offset = place
    services = [name for name in PRODUCERS if topic in topics_said_by(name)]
    if not services or not 0 <= partition < PARTITIONS or offset < 0:
        raise NOTHING
    try:
        async with feed.catching:
            records = await feed.past.read({(topic, partition): offset}, 1, 0.5)
    except OffsetOutOfRange:
        raise NOTHING from None
    except BusError:
        raise Refused(503, "bus.away", "The bus does not answer.") from None
    event = envelope_or_none(records[0]) if records else None
    if event is None or records[0].offset != offset or not may_see(principal, event):
        raise NOTHING
    try:
        value = orjson.loads(records[0].value)
    except orjson.JSONDecodeError:
        value = None
    await record_look(urls.get(f"CLINICBUS_{services[0].upper()}_APP_URL"), principal, event, value)
    return {**described(records[0], event), "value": value}
