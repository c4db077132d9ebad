"""Who called a visit off, and whether its time stays closed."""

from shared.db.migrate import executor

revision = "0010"
down_revision = "0009"

CANCELLED = (
    "ALTER TABLE appointments ADD COLUMN cancelled_by text"
    " CHECK (cancelled_by IN ('patient', 'provider', 'practice')),"
    " ADD COLUMN cancel_notice_minutes int, ADD COLUMN keeps_time boolean NOT NULL DEFAULT false",
    "ALTER TABLE appointments ADD CHECK (NOT keeps_time OR lifecycle = 'cancelled')",
    "ALTER TABLE appointments ALTER COLUMN keeps_time DROP DEFAULT",
)


def upgrade() -> None:
    execute = executor()
    for text in CANCELLED:
        execute(text)
