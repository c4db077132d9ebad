"""The five services of the journeys, for tests of what leaves them."""

from tests.journeys.conftest import Ground, ground, house

__all__ = ["Ground", "ground", "house"]
