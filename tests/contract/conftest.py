"""The ground of the journeys: what services really say is taken from days that they play."""

from tests.journeys.conftest import ground

__all__ = ["ground"]
