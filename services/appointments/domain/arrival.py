"""When somebody can arrive: on the day of their visit, by the clocks of the clinic."""

from datetime import datetime
from zoneinfo import ZoneInfo

from shared.values.errors import Conflict
from shared.values.interval import Interval


def require_its_day(interval: Interval, now: datetime, in_zone: ZoneInfo) -> None:
    """The local day on which the visit starts; while it lasts also where that is past midnight.

    Raises Conflict ``arrival.not_today``.
    """
    if interval.start <= now < interval.end:
        return
    require_same_day(interval.start, now, in_zone)


def require_same_day(starts_at: datetime, now: datetime, in_zone: ZoneInfo) -> None:
    """Raise Conflict ``arrival.not_today`` on any local day but the one of the visit's start."""
    day = starts_at.astimezone(in_zone).date()
    if now.astimezone(in_zone).date() != day:
        title = "Somebody arrives on the day of their visit."
        raise Conflict("arrival.not_today", title, facts={"day": day.isoformat()})
