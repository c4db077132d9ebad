"""Who called a visit off; equipment, group sessions and series."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0008"
down_revision = "0007"

CANCELLED = (
    "ALTER TABLE appointments ADD COLUMN cancelled_by text"
    " CHECK (cancelled_by IN ('patient', 'provider', 'practice')),"
    " ADD COLUMN cancel_notice_minutes int, ADD COLUMN keeps_time boolean NOT NULL DEFAULT false",
    "ALTER TABLE appointments ADD CHECK (NOT keeps_time OR lifecycle = 'cancelled')",
    "ALTER TABLE appointments ALTER COLUMN keeps_time DROP DEFAULT",
)

EQUIPMENT = """
CREATE TABLE equipment (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  kind text NOT NULL,
  name text NOT NULL,
  capacity int NOT NULL CHECK (capacity BETWEEN 1 AND 100),
  position int NOT NULL,
  out_from date,
  out_until date,
  version int NOT NULL,
  CHECK (out_until IS NULL OR out_from <= out_until),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id))
"""
SEVERAL = (
    "CREATE INDEX equipment_of ON equipment (network_id, clinic_id, kind)",
    "ALTER TABLE rooms ADD COLUMN kind text",
    "ALTER TABLE appointment_types ADD COLUMN room_kind text, ADD COLUMN equipment jsonb,"
    " ADD COLUMN providers int NOT NULL DEFAULT 1 CHECK (providers BETWEEN 1 AND 4)",
    "ALTER TABLE appointment_types ALTER COLUMN providers DROP DEFAULT",
    "ALTER TABLE appointments ADD COLUMN further_provider_ids uuid[],"
    " ADD COLUMN equipment_ids uuid[]",
    "ALTER TABLE holds ADD COLUMN further_provider_ids uuid[]",
)

SESSIONS = """
CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  further_provider_ids uuid[],
  appointment_type_id uuid NOT NULL,
  room_id uuid,
  equipment_ids uuid[],
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  seats int NOT NULL CHECK (seats BETWEEN 1 AND 100),
  state text NOT NULL CHECK (state IN ('open', 'cancelled')),
  moves int NOT NULL,
  opened_at timestamptz NOT NULL,
  cancelled_at timestamptz,
  cancel_reason text,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (starts_at < ends_at AND ends_at <= starts_at + interval '24 hours'),
  CHECK ((state = 'cancelled') = (cancelled_at IS NOT NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  FOREIGN KEY (network_id, appointment_type_id) REFERENCES appointment_types (network_id, id),
  FOREIGN KEY (network_id, room_id) REFERENCES rooms (network_id, id))
"""
# The seats of a session are the lanes of a resource of its own: two visits in one seat are two
# rows in one lane, and no seat is beyond those there are.
SEATS = (
    "ALTER TABLE occupancies DROP CONSTRAINT occupancies_resource_kind_check",
    "ALTER TABLE occupancies ADD CONSTRAINT occupancies_resource_kind_check CHECK"
    " (resource_kind IN ('provider', 'room', 'patient', 'equipment', 'session'))",
    "ALTER TABLE occupancies ADD COLUMN session_id uuid, ADD COLUMN seat_of uuid,"
    " ADD COLUMN seats int",
    "ALTER TABLE occupancies ADD FOREIGN KEY (network_id, session_id)"
    " REFERENCES sessions (network_id, id)",
    "ALTER TABLE sessions ADD UNIQUE (network_id, id, seats)",
    "ALTER TABLE occupancies ADD CONSTRAINT occupancies_seats"
    " CHECK (resource_kind <> 'session' OR (seat_of = resource_id AND lane BETWEEN 1 AND seats)),"
    " ADD FOREIGN KEY (network_id, seat_of, seats) REFERENCES sessions (network_id, id, seats),"
    " ADD CHECK ((resource_kind = 'session') = (seats IS NOT NULL AND seat_of IS NOT NULL)),"
    " ADD CHECK (session_id IS NULL OR appointment_id IS NULL)",
    "CREATE INDEX occupancies_of_session ON occupancies (network_id, session_id)"
    " WHERE session_id IS NOT NULL",
    "ALTER TABLE appointments ADD COLUMN session_id uuid, ADD COLUMN seat int",
    "ALTER TABLE appointments ADD FOREIGN KEY (network_id, session_id)"
    " REFERENCES sessions (network_id, id), ADD CHECK ((session_id IS NULL) = (seat IS NULL))",
    "CREATE INDEX appointments_of_session ON appointments (network_id, session_id)"
    " WHERE session_id IS NOT NULL",
)

SERIES = """
CREATE TABLE series (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  appointment_type_id uuid NOT NULL,
  rrule text NOT NULL,
  first_start timestamp NOT NULL,
  time_zone text NOT NULL,
  on_conflict text NOT NULL CHECK (on_conflict IN ('fail', 'skip', 'nearest')),
  occurrences int NOT NULL CHECK (occurrences BETWEEN 1 AND 104),
  left_out jsonb,
  made_at timestamptz NOT NULL,
  version int NOT NULL,
  event_seq int NOT NULL,
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  FOREIGN KEY (network_id, appointment_type_id) REFERENCES appointment_types (network_id, id))
"""
REPEATED = (
    "ALTER TABLE appointments ADD COLUMN series_id uuid, ADD COLUMN occurrence int",
    "ALTER TABLE appointments ADD FOREIGN KEY (network_id, series_id)"
    " REFERENCES series (network_id, id), ADD CHECK ((series_id IS NULL) = (occurrence IS NULL)),"
    " ADD UNIQUE (network_id, series_id, occurrence)",
)


def upgrade() -> None:
    execute = executor()
    for text in CANCELLED:
        execute(text)
    execute(EQUIPMENT)
    for text in SEVERAL:
        execute(text)
    execute(SESSIONS)
    execute(SERIES)
    for table in ("equipment", "sessions", "series"):
        protect_clinic_table(execute, table, "appointments_app")
    for text in (*SEATS, *REPEATED):
        execute(text)
