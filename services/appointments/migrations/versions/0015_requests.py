"""What limits by payer and by gender need, and times that patients ask the desk for."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0015"
down_revision = "0013"

_KINDS = (
    "'self_booking', 'lead_time', 'horizon', 'age', 'gender', 'cover', 'payer', 'referral',"
    " 'authorization', 'wave', 'daily_cap', 'provider_daily_cap', 'patient_daily_cap',"
    " 'overbook_per_hour'"
)

CHANGES = (
    "ALTER TABLE booking_rules DROP CONSTRAINT booking_rules_kind_check",
    f"ALTER TABLE booking_rules ADD CONSTRAINT booking_rules_kind_check CHECK (kind IN ({_KINDS}))",
    "ALTER TABLE known_patients ADD COLUMN gender text"
    " CHECK (gender IN ('female', 'male', 'other', 'unknown'))",
)

TABLES = {
    "known_covers": """
CREATE TABLE known_covers (
  network_id uuid NOT NULL,
  coverage_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  payer_id uuid NOT NULL,
  place text NOT NULL CHECK (place IN ('primary', 'secondary', 'tertiary')),
  first date NOT NULL,
  last date,
  PRIMARY KEY (network_id, coverage_id))
""",
}

INDEXES = ("CREATE INDEX known_covers_of_patient ON known_covers (network_id, patient_id)",)


def upgrade() -> None:
    execute = executor()
    for text in CHANGES:
        execute(text)
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "appointments_app")
    for text in INDEXES:
        execute(text)
