"""Time is held for some minutes, in the same occupancies as visits."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0007"
down_revision = "0006"

HOLDS = """
CREATE TABLE holds (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid,
  clinic_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  appointment_type_id uuid NOT NULL,
  room_id uuid,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  overbooked boolean NOT NULL,
  overlap_reason text,
  purpose text NOT NULL CHECK (purpose IN ('booking', 'offer')),
  state text NOT NULL CHECK (state IN ('held', 'taken', 'released', 'expired')),
  held_by text NOT NULL,
  held_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  extended boolean NOT NULL,
  ended_at timestamptz,
  appointment_id uuid,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (starts_at < ends_at AND held_at < expires_at),
  CHECK (expires_at <= held_at + interval '60 minutes'),
  CHECK ((state = 'held') = (ended_at IS NULL)),
  CHECK ((state = 'taken') = (appointment_id IS NOT NULL)),
  CHECK (state <> 'taken' OR patient_id IS NOT NULL),
  UNIQUE (network_id, id),
  UNIQUE (network_id, appointment_id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  FOREIGN KEY (network_id, appointment_type_id) REFERENCES appointment_types (network_id, id),
  FOREIGN KEY (network_id, room_id) REFERENCES rooms (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id))
"""

# What is held is what is booked: rows of the one table, under the one constraint.
OCCUPANCIES = (
    "ALTER TABLE occupancies ADD COLUMN hold_id uuid, ADD COLUMN expires_at timestamptz",
    "ALTER TABLE occupancies ADD FOREIGN KEY (network_id, hold_id)"
    " REFERENCES holds (network_id, id)",
    "ALTER TABLE occupancies ADD CHECK ((hold_id IS NULL) = (expires_at IS NULL)"
    " AND (hold_id IS NULL OR appointment_id IS NULL))",
    "CREATE INDEX occupancies_held ON occupancies (network_id, hold_id) WHERE hold_id IS NOT NULL",
    "CREATE INDEX holds_by ON holds (network_id, held_by) WHERE state = 'held'",
    "CREATE INDEX holds_for ON holds (network_id, patient_id) WHERE state = 'held'",
)


def upgrade() -> None:
    execute = executor()
    execute(HOLDS)
    protect_clinic_table(execute, "holds", "appointments_app")
    for text in OCCUPANCIES:
        execute(text)
