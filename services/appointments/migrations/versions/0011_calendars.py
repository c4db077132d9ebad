"""What opens and closes time: rhythms, exceptions, clinic hours, credentials, blocks."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0011"
down_revision = "0010"

CHANGES = (
    """
ALTER TABLE weekly_schedules
  ADD COLUMN rhythm text NOT NULL DEFAULT 'weekly'
    CHECK (rhythm IN ('weekly', 'biweekly', 'monthly')),
  ADD COLUMN anchor date,
  ADD COLUMN nth int CHECK (nth IN (1, 2, 3, 4, 5, -1)),
  ADD COLUMN called_off_at timestamptz,
  ADD COLUMN version int NOT NULL DEFAULT 1,
  ADD COLUMN event_seq int NOT NULL DEFAULT 0,
  ADD CHECK ((rhythm = 'biweekly') = (anchor IS NOT NULL)),
  ADD CHECK ((rhythm = 'monthly') = (nth IS NOT NULL)),
  ADD CHECK (effective_until >= effective_from)
""",
    """
ALTER TABLE clinics
  ADD COLUMN hours jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN holidays jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN credential_kind text,
  ADD COLUMN credential_region text,
  ADD CHECK ((credential_kind IS NULL) = (credential_region IS NULL))
""",
    # Below lane 0 are fences: they keep bookings out by the rule, beside visits that stay.
    """
ALTER TABLE occupancies
  ADD COLUMN block_id uuid,
  ADD COLUMN only_type_id uuid,
  DROP CONSTRAINT occupancies_lane_check,
  ADD CONSTRAINT occupancies_lane_check CHECK (lane BETWEEN -1000 AND 1000),
  ADD CHECK (lane >= 0 OR block_id IS NOT NULL),
  ADD CHECK (only_type_id IS NULL OR lane < 0)
""",
)

TABLES = {
    "schedule_exceptions": """
CREATE TABLE schedule_exceptions (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  first_day date NOT NULL,
  last_day date NOT NULL,
  clinic_id uuid,
  opens time,
  closes time,
  withdrawn_at timestamptz,
  version int NOT NULL,
  CHECK (first_day <= last_day),
  CHECK ((opens IS NULL) = (clinic_id IS NULL) AND (opens IS NULL) = (closes IS NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  FOREIGN KEY (network_id, provider_id, clinic_id)
    REFERENCES provider_clinics (network_id, provider_id, clinic_id))
""",
    "provider_credentials": """
CREATE TABLE provider_credentials (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  kind text NOT NULL,
  region text NOT NULL,
  number text NOT NULL,
  effective_from date NOT NULL,
  effective_until date,
  version int NOT NULL,
  CHECK (effective_from <= effective_until),
  UNIQUE (network_id, id),
  CONSTRAINT credentials_once
    UNIQUE (network_id, provider_id, kind, region, number, effective_from),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id))
""",
    "blocks": """
CREATE TABLE blocks (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN
    ('meeting', 'time_off', 'administration', 'travel', 'hold', 'freeze')),
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  appointment_type_id uuid,
  note text,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  lifted_at timestamptz,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (starts_at < ends_at),
  CHECK ((kind = 'hold') = (appointment_type_id IS NOT NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, appointment_type_id) REFERENCES appointment_types (network_id, id))
""",
    "block_resources": """
CREATE TABLE block_resources (
  network_id uuid NOT NULL,
  block_id uuid NOT NULL,
  resource_kind text NOT NULL,
  resource_id uuid NOT NULL,
  PRIMARY KEY (network_id, block_id, resource_id),
  FOREIGN KEY (network_id, block_id) REFERENCES blocks (network_id, id))
""",
    "calendar_feeds": """
CREATE TABLE calendar_feeds (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  provider_id uuid,
  clinic_id uuid,
  secret_hash bytea CHECK (octet_length(secret_hash) = 32),
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  rotated_at timestamptz,
  revoked_at timestamptz,
  version int NOT NULL,
  CHECK ((provider_id IS NULL) <> (clinic_id IS NULL)),
  CHECK (revoked_at IS NULL OR secret_hash IS NULL),
  UNIQUE (network_id, id),
  UNIQUE (network_id, secret_hash),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id))
""",
    "on_call_shifts": """
CREATE TABLE on_call_shifts (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid,
  role text NOT NULL,
  rank text NOT NULL CHECK (rank IN ('primary', 'backup')),
  scope_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  time_zone text NOT NULL,
  withdrawn_at timestamptz,
  version int NOT NULL,
  CHECK (starts_at < ends_at),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  CONSTRAINT on_call_one_at_a_time EXCLUDE USING gist (
    uuidrange(network_id, network_id, '[]') WITH &&,
    uuidrange(scope_id, scope_id, '[]') WITH &&,
    tstzrange(starts_at, ends_at) WITH &&) WHERE (withdrawn_at IS NULL))
""",
}

AFTER = (
    "ALTER TABLE occupancies ADD FOREIGN KEY (network_id, block_id)"
    " REFERENCES blocks (network_id, id)",
    "CREATE INDEX exceptions_of ON schedule_exceptions (network_id, provider_id, last_day)"
    " WHERE withdrawn_at IS NULL",
    "CREATE INDEX shifts_of ON on_call_shifts (network_id, ends_at) WHERE withdrawn_at IS NULL",
    "CREATE INDEX blocks_of ON blocks (network_id, clinic_id, starts_at, id)",
    "CREATE INDEX occupancies_of_block ON occupancies (network_id, block_id)"
    " WHERE block_id IS NOT NULL",
)


def upgrade() -> None:
    execute = executor()
    for text in CHANGES:
        execute(text)
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "appointments_app")
    for text in AFTER:
        execute(text)
