"""The scene of the tests that need the database."""

from pathlib import Path
from uuid import UUID

import pytest

from services.documents.tests.scenes import Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock


@pytest.fixture
async def at(
    environment: dict[str, str],
    clinic_office: Office,
    network_id: UUID,
    clock: FixedClock,
    tmp_path: Path,
) -> Scene:
    """A network in which documents come in."""
    return await scene(environment, clinic_office, network_id, clock, tmp_path)
