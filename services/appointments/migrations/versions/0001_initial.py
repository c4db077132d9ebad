"""Clinics, schedules, appointments, occupancies and what is heard of others."""

from shared.db.mechanism import create_mechanism, protect_clinic_table
from shared.db.migrate import executor

revision = "0001"
down_revision = None

TABLES = {
    "clinics": """
CREATE TABLE clinics (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  name text NOT NULL,
  time_zone text NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  phone text,
  address jsonb,
  version int NOT NULL,
  event_seq int NOT NULL,
  UNIQUE (network_id, id))
""",
    "rooms": """
CREATE TABLE rooms (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  name text NOT NULL,
  capacity int NOT NULL CHECK (capacity BETWEEN 1 AND 100),
  position int NOT NULL,
  version int NOT NULL,
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id))
""",
    "providers": """
CREATE TABLE providers (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  family_name text NOT NULL,
  given_name text,
  npi text CHECK (npi ~ '^[12][0-9]{9}$'),
  active_from date,
  active_until date,
  capacity int NOT NULL CHECK (capacity BETWEEN 1 AND 100),
  overbook_quota int NOT NULL CHECK (overbook_quota BETWEEN 0 AND 100),
  version int NOT NULL,
  UNIQUE (network_id, id),
  UNIQUE (network_id, npi))
""",
    "provider_clinics": """
CREATE TABLE provider_clinics (
  network_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  PRIMARY KEY (network_id, provider_id, clinic_id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id))
""",
    "appointment_types": """
CREATE TABLE appointment_types (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  name text NOT NULL,
  minutes_new int NOT NULL CHECK (minutes_new BETWEEN 1 AND 720),
  minutes_known int NOT NULL CHECK (minutes_known BETWEEN 1 AND 720),
  buffer_before_minutes int NOT NULL CHECK (buffer_before_minutes BETWEEN 0 AND 120),
  buffer_after_minutes int NOT NULL CHECK (buffer_after_minutes BETWEEN 0 AND 120),
  needs_room boolean NOT NULL,
  lead_time_minutes int NOT NULL,
  horizon_days int NOT NULL,
  service_code_new text NOT NULL,
  service_code_known text NOT NULL,
  version int NOT NULL,
  event_seq int NOT NULL,
  UNIQUE (network_id, id))
""",
    "weekly_schedules": """
CREATE TABLE weekly_schedules (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  weekday int NOT NULL CHECK (weekday BETWEEN 1 AND 7),
  opens time NOT NULL,
  closes time NOT NULL,
  effective_from date,
  effective_until date,
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, provider_id, clinic_id)
    REFERENCES provider_clinics (network_id, provider_id, clinic_id))
""",
    "appointments": """
CREATE TABLE appointments (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  appointment_type_id uuid NOT NULL,
  room_id uuid,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  lifecycle text NOT NULL CHECK (lifecycle IN
    ('booked', 'checked_in', 'fulfilled', 'no_show', 'cancelled', 'entered_in_error')),
  confirmation text NOT NULL CHECK (confirmation IN ('unconfirmed', 'confirmed', 'declined')),
  flow text NOT NULL CHECK (flow IN ('expected', 'arrived', 'checked_in', 'roomed',
    'with_provider', 'ready_for_checkout', 'checked_out')),
  readiness text NOT NULL CHECK (readiness IN ('unknown', 'not_ready', 'ready')),
  new_patient boolean NOT NULL,
  walk_in boolean NOT NULL,
  overbooked boolean NOT NULL,
  overlap_reason text,
  moves int NOT NULL,
  booked_at timestamptz NOT NULL,
  checked_in_at timestamptz,
  checked_out_at timestamptz,
  cancelled_at timestamptz,
  cancel_reason text,
  late_cancel boolean NOT NULL,
  waivers jsonb,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (starts_at < ends_at AND ends_at <= starts_at + interval '24 hours'),
  CHECK ((lifecycle = 'cancelled') = (cancelled_at IS NOT NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  FOREIGN KEY (network_id, appointment_type_id) REFERENCES appointment_types (network_id, id),
  FOREIGN KEY (network_id, room_id) REFERENCES rooms (network_id, id))
""",
    "appointment_moves": """
CREATE TABLE appointment_moves (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  move int NOT NULL CHECK (move >= 1),
  id uuid NOT NULL,
  from_clinic_id uuid NOT NULL,
  from_provider_id uuid NOT NULL,
  from_room_id uuid,
  from_starts_at timestamptz NOT NULL,
  from_ends_at timestamptz NOT NULL,
  to_clinic_id uuid NOT NULL,
  to_provider_id uuid NOT NULL,
  to_room_id uuid,
  to_starts_at timestamptz NOT NULL,
  to_ends_at timestamptz NOT NULL,
  reason text NOT NULL,
  moved_at timestamptz NOT NULL,
  moved_by text NOT NULL,
  PRIMARY KEY (network_id, appointment_id, move),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id))
""",
    "occupancies": """
CREATE TABLE occupancies (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  resource_kind text NOT NULL CHECK (resource_kind IN ('provider', 'room', 'patient')),
  resource_id uuid NOT NULL,
  lane int NOT NULL CHECK (lane BETWEEN 0 AND 1000),
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  appointment_id uuid,
  active boolean NOT NULL,
  during tstzrange NOT NULL GENERATED ALWAYS AS (tstzrange(starts_at, ends_at)) STORED,
  CHECK (starts_at < ends_at),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id),
  CONSTRAINT occupancies_never_twice EXCLUDE USING gist (
    uuidrange(resource_id, resource_id, '[]') WITH &&,
    int4range(CASE lane WHEN 0 THEN 1 ELSE lane END,
              CASE lane WHEN 0 THEN NULL ELSE lane + 1 END) WITH &&,
    during WITH &&) WHERE (active))
""",
    "known_patients": """
CREATE TABLE known_patients (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  registered boolean NOT NULL,
  identity_verified_at timestamptz,
  balance_cents bigint NOT NULL,
  visits int NOT NULL,
  PRIMARY KEY (network_id, patient_id))
""",
    "known_consents": """
CREATE TABLE known_consents (
  network_id uuid NOT NULL,
  consent_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  kind text NOT NULL,
  text_version text NOT NULL,
  granted_at timestamptz NOT NULL,
  expires_on date,
  revoked_at timestamptz,
  PRIMARY KEY (network_id, consent_id))
""",
    "visit_covers": """
CREATE TABLE visit_covers (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('active', 'inactive', 'unverified', 'self_pay')),
  reason text NOT NULL,
  decided_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, appointment_id))
""",
    "visit_packets": """
CREATE TABLE visit_packets (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  document_id uuid NOT NULL,
  revision int NOT NULL,
  ready_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, appointment_id))
""",
}

INDEXES = (
    "CREATE INDEX occupancies_of ON occupancies"
    " (network_id, resource_kind, resource_id, starts_at) WHERE active",
    "CREATE INDEX occupancies_for ON occupancies (network_id, appointment_id)",
    "CREATE INDEX appointments_by_clinic ON appointments (network_id, clinic_id, starts_at, id)",
    "CREATE INDEX appointments_by_patient ON appointments (network_id, patient_id, starts_at, id)",
    "CREATE INDEX schedules_of ON weekly_schedules (network_id, provider_id, clinic_id, weekday)",
    "CREATE INDEX consents_of ON known_consents (network_id, patient_id)",
)


def upgrade() -> None:
    execute = executor()
    create_mechanism(execute, "appointments")
    execute("CREATE TYPE uuidrange AS RANGE (subtype = uuid)")
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "appointments_app")
    for text in INDEXES:
        execute(text)
