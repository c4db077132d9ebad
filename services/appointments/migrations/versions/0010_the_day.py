"""The day of the visit: steps, requirements, rooms, the waiting room, visitors."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0010"
down_revision = "0009"

PAIRS = """
ALTER TABLE appointments ADD CONSTRAINT appointments_pairs CHECK (CASE lifecycle
  WHEN 'booked' THEN flow = 'expected'
  WHEN 'arrived' THEN flow = 'arrived'
  WHEN 'checked_in' THEN flow IN ('checked_in', 'roomed')
  WHEN 'in_progress' THEN flow IN ('with_nurse', 'with_provider', 'ready_for_checkout')
  WHEN 'fulfilled' THEN flow = 'checked_out'
  WHEN 'no_show' THEN flow = 'expected'
  WHEN 'cancelled' THEN flow IN ('expected', 'arrived')
  ELSE lifecycle = 'entered_in_error' END)
"""
STATUSES = (
    "ALTER TABLE appointments NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE appointments DROP CONSTRAINT appointments_lifecycle_check,"
    " DROP CONSTRAINT appointments_confirmation_check, DROP CONSTRAINT appointments_flow_check",
    "UPDATE appointments SET confirmation = 'unsent' WHERE confirmation = 'unconfirmed'",
    "ALTER TABLE appointments FORCE ROW LEVEL SECURITY",
    "ALTER TABLE appointments"
    " ADD CONSTRAINT appointments_lifecycle_check CHECK (lifecycle IN ('booked', 'arrived',"
    "  'checked_in', 'in_progress', 'fulfilled', 'no_show', 'cancelled', 'entered_in_error')),"
    " ADD CONSTRAINT appointments_confirmation_check CHECK (confirmation IN ('unsent', 'sent',"
    "  'confirmed', 'declined', 'callback_requested', 'unreachable')),"
    " ADD CONSTRAINT appointments_flow_check CHECK (flow IN ('expected', 'arrived', 'checked_in',"
    "  'roomed', 'with_nurse', 'with_provider', 'ready_for_checkout', 'checked_out')),"
    " ADD COLUMN arrived_at timestamptz, ADD COLUMN call_day date,"
    " ADD COLUMN call_number int CHECK (call_number BETWEEN 1 AND 2376),"
    " ADD CONSTRAINT appointments_called_whole CHECK ((call_day IS NULL) = (call_number IS NULL)),"
    " ADD CONSTRAINT appointments_call_codes UNIQUE (network_id, clinic_id, call_day, call_number),"
    " ADD CONSTRAINT appointments_in_once CHECK ((lifecycle IN ('checked_in', 'in_progress',"
    "  'fulfilled')) <= (checked_in_at IS NOT NULL)),"
    " ADD CONSTRAINT appointments_out_once CHECK"
    "  ((lifecycle = 'fulfilled') = (checked_out_at IS NOT NULL))",
    PAIRS,
)

TABLES = {
    "visit_steps": """
CREATE TABLE visit_steps (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  move text NOT NULL CHECK (move IN ('arrive', 'check_in', 'room', 'change_room', 'see_nurse',
    'see_provider', 'finish', 'check_out', 'undo_arrive', 'undo_check_in', 'mark_no_show',
    'come_late', 'enter_in_error')),
  from_flow text NOT NULL,
  to_flow text NOT NULL,
  room_id uuid,
  reason text,
  at timestamptz NOT NULL,
  done_by text NOT NULL,
  CHECK (move NOT IN ('undo_arrive', 'undo_check_in', 'enter_in_error') OR reason IS NOT NULL),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id),
  FOREIGN KEY (network_id, room_id) REFERENCES rooms (network_id, id))
""",
    "requirement_checks": """
CREATE TABLE requirement_checks (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  code text NOT NULL CHECK (length(code) BETWEEN 1 AND 80),
  outcome text NOT NULL CHECK (outcome IN ('verified', 'waived', 'withdrawn')),
  reason text,
  visit_moves int NOT NULL,
  checked_at timestamptz NOT NULL,
  checked_by text NOT NULL,
  CHECK (outcome = 'verified' OR reason IS NOT NULL),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id))
""",
    "visit_policies": """
CREATE TABLE visit_policies (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid,
  appointment_type_id uuid,
  members jsonb NOT NULL,
  version int NOT NULL,
  UNIQUE (network_id, id),
  UNIQUE NULLS NOT DISTINCT (network_id, clinic_id, appointment_type_id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, appointment_type_id) REFERENCES appointment_types (network_id, id))
""",
    "room_states": """
CREATE TABLE room_states (
  network_id uuid NOT NULL,
  room_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('free', 'occupied', 'to_be_cleaned')),
  since timestamptz NOT NULL,
  changed_by text NOT NULL,
  PRIMARY KEY (network_id, room_id),
  FOREIGN KEY (network_id, room_id) REFERENCES rooms (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id))
""",
    "room_stays": """
CREATE TABLE room_stays (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  room_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  place int NOT NULL CHECK (place BETWEEN 1 AND 100),
  entered_at timestamptz NOT NULL,
  entered_by text NOT NULL,
  left_at timestamptz,
  CHECK (left_at >= entered_at),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, room_id) REFERENCES rooms (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id))
""",
    "queue_entries": """
CREATE TABLE queue_entries (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  priority text NOT NULL CHECK (priority IN ('routine', 'soon', 'urgent')),
  priority_reason text,
  entered_at timestamptz NOT NULL,
  turn_at timestamptz NOT NULL,
  promised_minutes int CHECK (promised_minutes >= 0),
  promised_minutes_p90 int CHECK (promised_minutes_p90 >= promised_minutes),
  promised_from text NOT NULL CHECK (promised_from IN ('provider', 'clinic', 'too_few')),
  alarmed_at timestamptz,
  ended_at timestamptz,
  ended_as text CHECK (ended_as IN ('called', 'left')),
  waited_seconds int CHECK (waited_seconds >= 0),
  version int NOT NULL,
  CHECK (turn_at >= entered_at),
  CHECK (priority = 'routine' OR priority_reason IS NOT NULL),
  CHECK ((promised_from = 'too_few') = (promised_minutes IS NULL)),
  CHECK ((promised_minutes IS NULL) = (promised_minutes_p90 IS NULL)),
  CHECK ((ended_at IS NULL) = (ended_as IS NULL)),
  CHECK ((ended_as IS NOT DISTINCT FROM 'called') = (waited_seconds IS NOT NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES appointments (network_id, id))
""",
    "visitors": """
CREATE TABLE visitors (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  name text NOT NULL,
  company text,
  purpose text NOT NULL,
  visits text NOT NULL,
  badge text NOT NULL,
  came_at timestamptz NOT NULL,
  let_in_by text NOT NULL,
  left_at timestamptz,
  let_out_by text,
  version int NOT NULL,
  CHECK (left_at >= came_at),
  CHECK ((left_at IS NULL) = (let_out_by IS NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id))
""",
    "known_verifications": """
CREATE TABLE known_verifications (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  field text NOT NULL,
  verified_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, patient_id, field))
""",
    "known_forms": """
CREATE TABLE known_forms (
  network_id uuid NOT NULL,
  packet_id uuid NOT NULL,
  form text NOT NULL,
  patient_id uuid NOT NULL,
  appointment_id uuid,
  submitted_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, packet_id, form))
""",
    "known_authorizations": """
CREATE TABLE known_authorizations (
  network_id uuid NOT NULL,
  authorization_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('approved', 'denied', 'expired')),
  valid_from date,
  valid_until date,
  decided_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, authorization_id))
""",
    "visit_copays": """
CREATE TABLE visit_copays (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  copay_cents bigint NOT NULL,
  estimated_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, appointment_id))
""",
    "visit_payments": """
CREATE TABLE visit_payments (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  paid_cents bigint NOT NULL,
  PRIMARY KEY (network_id, appointment_id))
""",
}

INDEXES = (
    "CREATE INDEX visit_steps_of ON visit_steps (network_id, appointment_id, at)",
    "CREATE INDEX requirement_checks_of ON requirement_checks"
    " (network_id, appointment_id, checked_at)",
    "CREATE UNIQUE INDEX room_stays_one_each ON room_stays (network_id, room_id, place)"
    " WHERE left_at IS NULL",
    "CREATE UNIQUE INDEX room_stays_one_room ON room_stays (network_id, appointment_id)"
    " WHERE left_at IS NULL",
    "CREATE INDEX room_stays_at ON room_stays (network_id, clinic_id) WHERE left_at IS NULL",
    "CREATE UNIQUE INDEX queue_entries_once ON queue_entries (network_id, clinic_id, patient_id)"
    " WHERE ended_at IS NULL",
    "CREATE INDEX queue_entries_for ON queue_entries (network_id, appointment_id)",
    "CREATE INDEX queue_entries_waited ON queue_entries (network_id, clinic_id, ended_at)"
    " WHERE ended_as = 'called'",
    "CREATE UNIQUE INDEX visitors_badge ON visitors (network_id, clinic_id, badge)"
    " WHERE left_at IS NULL",
    "CREATE INDEX visitors_by_day ON visitors (network_id, clinic_id, came_at, id)",
    "CREATE INDEX forms_of ON known_forms (network_id, patient_id)",
    "CREATE INDEX authorizations_for ON known_authorizations (network_id, appointment_id)",
)

# A room that is to be cleaned, or full, takes nobody: whatever writes the row.
ROOM_TAKES = """
CREATE FUNCTION room_takes_one_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Who may not see the room is refused by row security or by the key, and told nothing more.
  IF NOT EXISTS (SELECT FROM rooms WHERE network_id = NEW.network_id AND id = NEW.room_id) THEN
    RETURN NEW;
  END IF;
  IF NOT EXISTS (SELECT FROM rooms WHERE network_id = NEW.network_id AND id = NEW.room_id
      AND clinic_id = NEW.clinic_id AND NEW.place <= capacity) THEN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'room_stays_capacity',
      MESSAGE = 'a place that the room does not have';
  END IF;
  IF EXISTS (SELECT FROM room_states WHERE network_id = NEW.network_id
      AND room_id = NEW.room_id AND state = 'to_be_cleaned') THEN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'room_stays_clean',
      MESSAGE = 'a room that is to be cleaned';
  END IF;
  RETURN NEW;
END $$
"""
TRIGGER = (
    "CREATE TRIGGER room_stays_fit BEFORE INSERT ON room_stays"
    " FOR EACH ROW EXECUTE FUNCTION room_takes_one_more()"
)


def upgrade() -> None:
    execute = executor()
    for text in STATUSES:
        execute(text)
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "appointments_app")
    for text in (*INDEXES, ROOM_TAKES, TRIGGER):
        execute(text)
