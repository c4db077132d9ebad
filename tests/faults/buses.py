"""On which bus a scenario of the whole system runs, where it is not both."""

import pytest

ON_POSTGRES = pytest.mark.parametrize("bus", ["postgres"], indirect=True, scope="session")
"""What is none of the bus's runs on one."""

SHORT_ON_POSTGRES = pytest.mark.parametrize(
    "bus",
    ["postgres", pytest.param("kafka", marks=pytest.mark.full)],
    indirect=True,
    scope="session",
)
"""Both in the long list; in the short one the other bus has a scenario much like it."""
