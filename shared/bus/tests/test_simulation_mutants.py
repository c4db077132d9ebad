"""The simulation finds planted bugs, each within 1,000 seeds."""

import pytest

from shared.bus.tests.sim.__main__ import played
from shared.bus.tests.sim.mutants import MUTANTS, first_seed

SEEDS = 1000
SHOWN_BY: dict[str, int] = {}
"""The first seed that shows it, where it is looked for first; another one serves as well."""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name: str) -> None:
    """And the seed that shows it holds without the bug."""
    found = first_seed(name, SHOWN_BY.get(name, 0), 1) or first_seed(name, 0, SEEDS)
    assert found is not None
    assert played(range(found[0], found[0] + 1)) == []
