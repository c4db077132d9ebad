"""Reminders, what a clinic asks of them, what patients prefer, and the staff's call list."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0012"
down_revision = "0011"

_VISIT = "FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id)"
_CLINIC = "FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id)"
_CHANNEL = "CHECK (channel IN ('email', 'sms', 'voice'))"
_CHANNELS = "CHECK (channels <@ ARRAY['email', 'sms', 'voice'] AND cardinality(channels) <= 3)"

TABLES = {
    "reminder_settings": f"""
CREATE TABLE reminder_settings (
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  lead_minutes int[] NOT NULL CHECK (cardinality(lead_minutes) <= 5 AND 1 <= ALL (lead_minutes)),
  channels text[] NOT NULL {_CHANNELS},
  quiet_from time NOT NULL,
  quiet_until time NOT NULL,
  version int NOT NULL,
  PRIMARY KEY (network_id, clinic_id),
  {_CLINIC})
""",
    "reminders": f"""
CREATE TABLE reminders (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  channel text NOT NULL {_CHANNEL},
  lead_minutes int NOT NULL CHECK (lead_minutes >= 1),
  due_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN
    ('planned', 'due', 'sending', 'sent', 'failed', 'unknown', 'suppressed')),
  reason text,
  tries int NOT NULL,
  move int NOT NULL,
  code_digest text,
  sending_at timestamptz,
  settled_at timestamptz,
  answer text CHECK (answer IN ('yes', 'no', 'stop', 'other')),
  answered_at timestamptz,
  version int NOT NULL,
  CHECK ((answer IS NULL) = (answered_at IS NULL)),
  CHECK (state NOT IN ('sending', 'sent', 'unknown')
    OR (sending_at IS NOT NULL AND code_digest IS NOT NULL)),
  UNIQUE (network_id, id),
  UNIQUE (network_id, code_digest),
  {_VISIT},
  {_CLINIC},
  CONSTRAINT reminders_once UNIQUE (network_id, appointment_id, channel, lead_minutes))
""",
    "channel_stops": f"""
CREATE TABLE channel_stops (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  channel text NOT NULL {_CHANNEL},
  stopped_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, patient_id, channel))
""",
    "known_preferences": f"""
CREATE TABLE known_preferences (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  channels text[] NOT NULL {_CHANNELS},
  time_zone text,
  preferred_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, patient_id))
""",
    "call_tasks": f"""
CREATE TABLE call_tasks (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  reasons text[] NOT NULL CHECK (cardinality(reasons) >= 1),
  state text NOT NULL CHECK (state IN ('open', 'taken', 'done')),
  due_by timestamptz NOT NULL,
  opened_at timestamptz NOT NULL,
  taken_by text,
  taken_at timestamptz,
  outcome text CHECK (outcome IN
    ('reached', 'left_message', 'no_answer', 'wrong_number', 'not_needed')),
  ended_at timestamptz,
  version int NOT NULL,
  CHECK ((taken_by IS NULL) = (taken_at IS NULL)),
  CHECK (state <> 'open' OR taken_by IS NULL),
  CHECK (state <> 'taken' OR taken_by IS NOT NULL),
  CHECK ((state = 'done') = (outcome IS NOT NULL AND ended_at IS NOT NULL)),
  UNIQUE (network_id, id),
  UNIQUE (network_id, appointment_id),
  {_VISIT},
  {_CLINIC})
""",
}

# What may have left is never sent again, whoever writes the row. The rule is the same table in
# `domain/reminders.py`; a test compares them.
_GUARD = """
CREATE FUNCTION reminder_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state = NEW.state OR (OLD.state, NEW.state) IN (
    ('planned', 'due'), ('planned', 'suppressed'), ('suppressed', 'planned'),
    ('due', 'sending'), ('due', 'suppressed'), ('due', 'planned'), ('due', 'failed'),
    ('sending', 'sent'), ('sending', 'failed'), ('sending', 'unknown'), ('sending', 'planned'))
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a reminder that is % does not become %', OLD.state, NEW.state
    USING ERRCODE = 'check_violation', CONSTRAINT = 'reminders_steps';
END $$
"""


def upgrade() -> None:
    execute = executor()
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "appointments_app")
    execute(_GUARD)
    execute(
        "CREATE TRIGGER reminders_steps BEFORE UPDATE OF state ON reminders"
        " FOR EACH ROW EXECUTE FUNCTION reminder_steps()"
    )
    execute(
        "CREATE INDEX call_tasks_open ON call_tasks (network_id, clinic_id, due_by, id)"
        " WHERE state <> 'done'"
    )
