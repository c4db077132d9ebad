"""What limits by payer and by gender need, and times that patients ask the desk for."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0015"
down_revision = "0014"

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
    "appointment_requests": """
CREATE TABLE appointment_requests (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  appointment_type_id uuid NOT NULL,
  provider_id uuid,
  wished timestamptz[] NOT NULL CHECK (cardinality(wished) BETWEEN 1 AND 3),
  last_wished timestamptz NOT NULL,
  note text,
  state text NOT NULL
    CHECK (state IN ('open', 'accepted', 'declined', 'withdrawn', 'expired')),
  made_at timestamptz NOT NULL,
  made_by text NOT NULL,
  ended_at timestamptz,
  ended_by text,
  reason text CHECK (reason IN ('no_time_free', 'another_kind', 'referral_needed',
    'cover_problem', 'to_be_called', 'other')),
  appointment_id uuid,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (last_wished > made_at),
  CHECK ((state = 'open') = (ended_at IS NULL)),
  CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
  CHECK ((state = 'declined') = (reason IS NOT NULL)),
  CHECK ((state = 'accepted') = (appointment_id IS NOT NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, appointment_type_id) REFERENCES appointment_types (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id))
""",
}

INDEXES = (
    "CREATE INDEX known_covers_of_patient ON known_covers (network_id, patient_id)",
    # Nobody asks twice for the same kind of visit.
    "CREATE UNIQUE INDEX appointment_requests_one_open ON appointment_requests"
    " (network_id, patient_id, appointment_type_id) WHERE state = 'open'",
    "CREATE INDEX appointment_requests_at ON appointment_requests"
    " (network_id, clinic_id, state, made_at, id)",
    "CREATE INDEX appointment_requests_of_patient ON appointment_requests"
    " (network_id, patient_id, made_at)",
)


def upgrade() -> None:
    execute = executor()
    for text in CHANGES:
        execute(text)
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "appointments_app")
    for text in INDEXES:
        execute(text)
