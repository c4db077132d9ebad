"""Parked keys that try again, edits and drops by operators, days of the outbox that go."""

from shared.db.bus_upgrades import upgrade_bus_0002
from shared.db.migrate import executor

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    upgrade_bus_0002(executor(), "appointments")
