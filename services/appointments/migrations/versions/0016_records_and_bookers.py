"""Records of patients that were given up for another, and visits that patients book themselves."""

from shared.db.migrate import executor

revision = "0016"
down_revision = "0015"

CHANGES = (
    "ALTER TABLE known_patients ADD COLUMN merged_into uuid",
    "ALTER TABLE appointments ADD COLUMN self_booked boolean NOT NULL DEFAULT false",
)


def upgrade() -> None:
    execute = executor()
    for text in CHANGES:
        execute(text)
