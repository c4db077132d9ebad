"""Who broke the glass, and what was found afterwards."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0004"
down_revision = "0002"

TABLE = """
CREATE TABLE emergency_access (
  network_id uuid NOT NULL,
  id uuid NOT NULL,
  patient_id uuid NOT NULL,
  person text NOT NULL,
  reason text NOT NULL
    CHECK (reason IN ('emergency_treatment', 'patient_unable', 'public_health', 'other')),
  note text NOT NULL,
  opened_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL CHECK (expires_at = opened_at + interval '60 minutes'),
  reviewed_at timestamptz,
  reviewed_by text CHECK (reviewed_by <> person),
  finding text CHECK (finding IN ('justified', 'not_justified')),
  review_note text,
  PRIMARY KEY (network_id, id),
  FOREIGN KEY (network_id, patient_id) REFERENCES patients (network_id, id),
  CHECK (num_nulls(reviewed_at, reviewed_by, finding, review_note) IN (0, 4))
)
"""
INDEXES = (
    "CREATE INDEX emergency_of ON emergency_access (network_id, person, expires_at)",
    "CREATE INDEX emergency_by_time ON emergency_access (network_id, opened_at, id)",
)


def upgrade() -> None:
    execute = executor()
    execute(TABLE)
    protect_clinic_table(execute, "emergency_access", "patients_app")
    for text in INDEXES:
        execute(text)
