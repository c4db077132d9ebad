"""The audit of the bus, on a town."""

from ops.audit_bus.reading import audit
from ops.running import bus_of, variables_of
from tests.faults.town import Town


async def audited(town: Town) -> None:
    """One change, one event, one effect: from the databases and the bus it is on now."""
    bus = bus_of(variables_of(town.system.layout.root))
    try:
        found = await audit(town.system.superuser_url, bus)
    finally:
        await bus.close()
    assert [str(problem) for problem in found.problems.found] == []
    assert found.total("events") > 0
