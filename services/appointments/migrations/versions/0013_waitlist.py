"""The waitlist: times that became free, who waits for one, and what is offered to whom."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0013"
down_revision = "0012"

TABLES = {
    "released_slots": """
CREATE TABLE released_slots (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  released_at timestamptz NOT NULL,
  version int NOT NULL,
  CHECK (starts_at < ends_at),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id))
""",
    "waitlist_entries": """
CREATE TABLE waitlist_entries (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  appointment_type_id uuid NOT NULL,
  clinic_ids uuid[],
  provider_ids uuid[],
  weekdays int[],
  opens time NOT NULL,
  closes time NOT NULL,
  earliest date,
  latest date,
  notice_minutes int NOT NULL CHECK (notice_minutes BETWEEN 0 AND 43200),
  priority text NOT NULL CHECK (priority IN ('low', 'normal', 'high')),
  priority_reason text,
  replaces_appointment_id uuid,
  state text NOT NULL CHECK (state IN ('waiting', 'booked', 'withdrawn')),
  entered_at timestamptz NOT NULL,
  ended_at timestamptz,
  offers int NOT NULL,
  passed_over boolean NOT NULL,
  appointment_id uuid,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (priority <> 'high' OR priority_reason IS NOT NULL),
  CHECK (earliest IS NULL OR latest IS NULL OR earliest <= latest),
  CHECK ((state = 'waiting') = (ended_at IS NULL)),
  CHECK ((state = 'booked') = (appointment_id IS NOT NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, appointment_type_id) REFERENCES appointment_types (network_id, id),
  FOREIGN KEY (network_id, replaces_appointment_id) REFERENCES appointments (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id))
""",
    "waitlist_offers": """
CREATE TABLE waitlist_offers (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  entry_id uuid NOT NULL,
  slot_id uuid NOT NULL,
  hold_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  appointment_type_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('made', 'accepted', 'declined', 'expired', 'superseded')),
  made_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  appointment_id uuid,
  version int NOT NULL,
  CHECK (made_at < expires_at AND expires_at < starts_at),
  CHECK ((state = 'made') = (ended_at IS NULL)),
  CHECK ((state = 'accepted') = (appointment_id IS NOT NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, entry_id) REFERENCES waitlist_entries (network_id, id),
  FOREIGN KEY (network_id, slot_id) REFERENCES released_slots (network_id, id),
  FOREIGN KEY (network_id, hold_id) REFERENCES holds (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id))
""",
}

INDEXES = (
    # Nobody holds two offers, and no time is offered twice at once.
    "CREATE UNIQUE INDEX waitlist_offers_one_a_patient ON waitlist_offers (network_id, patient_id)"
    " WHERE state = 'made'",
    "CREATE UNIQUE INDEX waitlist_offers_one_a_slot"
    " ON waitlist_offers (network_id, provider_id, starts_at) WHERE state = 'made'",
    "CREATE INDEX waitlist_offers_of_slot ON waitlist_offers (network_id, slot_id)",
    "CREATE INDEX waitlist_offers_of_entry ON waitlist_offers (network_id, entry_id)",
    "CREATE INDEX waitlist_offers_expired ON waitlist_offers (network_id, ended_at)"
    " WHERE state = 'expired'",
    "CREATE INDEX waitlist_waiting ON waitlist_entries (network_id, entered_at)"
    " WHERE state = 'waiting'",
    "CREATE INDEX waitlist_of_patient ON waitlist_entries (network_id, patient_id)",
)


def upgrade() -> None:
    execute = executor()
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "appointments_app")
    for text in INDEXES:
        execute(text)
