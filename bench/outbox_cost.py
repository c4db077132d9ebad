"""Bookings per second with the outbox ÷ without: what it costs to say what was done.

No relay and no subscriber runs in either. The other side is `bench.without_outbox`.
"""

from bench.report import Figure
from bench.stage import Stage
from bench.twins import beside


def outbox_cost(made: Stage, seconds: int, rounds: int) -> Figure:
    """Measure and compare."""
    return beside(
        made,
        seconds,
        rounds,
        name="bookings with ÷ without outbox",
        bound=0.9,
        twin="bench.without_outbox:service",
        lacks="the same API, in which saying an event writes nothing",
        table="outbox",
    )
