"""Who may read a patient at any clinic for an hour."""

from shared.db import emergency
from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    execute = executor()
    emergency.create(execute)
    protect_clinic_table(execute, "emergency_access", "appointments_app")
