"""A transaction of a patient reads their rows alone, whatever the condition says."""

from uuid import UUID

import pytest

from services.appointments.tables import KnownPatient
from services.appointments.tests.builders import Scene, scene
from shared.db.actor import Actor
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


@pytest.mark.parametrize("where", ["true", "false OR true", "patient_id IS NULL OR registered"])
async def test_a_condition_with_alternatives_opens_no_row_of_another(at: Scene, where: str) -> None:
    mine, other = await at.patient(), await at.patient()
    for bound, seen in ((frozenset({mine}), {mine}), (None, {mine, other})):
        actor = Actor("patient", "somebody", patient_ids=bound)
        async with at.database.work(Context(at.network_id, actor, at.clock.now())) as work:
            rows = await work.load_where(KnownPatient, f"({where}) ORDER BY patient_id")
            loose = await work.load_where(KnownPatient, f"{where} ORDER BY patient_id")
        assert {row.patient_id for row in rows} == seen
        assert {row.patient_id for row in loose} & {mine, other} == seen
