"""Payers, coverages, checks, verdicts, estimates and what is heard of others."""

from shared.db.mechanism import create_mechanism, protect_clinic_table
from shared.db.migrate import executor

revision = "0001"
down_revision = None

_PLACES = "CASE place WHEN 'primary' THEN 1 WHEN 'secondary' THEN 2 ELSE 3 END"

TABLES = {
    "payers": """
CREATE TABLE payers (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  name text NOT NULL,
  payer_id_qualifier text NOT NULL CHECK (payer_id_qualifier = 'PI'),
  payer_id text NOT NULL,
  sender_id text NOT NULL,
  receiver_id text NOT NULL,
  provider_name text NOT NULL,
  provider_npi text NOT NULL CHECK (provider_npi ~ '^[12][0-9]{9}$'),
  service_types text[] NOT NULL CHECK (cardinality(service_types) BETWEEN 1 AND 10),
  version int NOT NULL,
  UNIQUE (network_id, id),
  CONSTRAINT payers_known_once UNIQUE (network_id, payer_id_qualifier, payer_id, provider_npi))
""",
    "coverages": f"""
CREATE TABLE coverages (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  payer_id uuid NOT NULL,
  place text NOT NULL CHECK (place IN ('primary', 'secondary', 'tertiary')),
  state text NOT NULL CHECK (state IN ('active', 'terminated')),
  member_id text NOT NULL,
  group_number text,
  plan_name text,
  relationship text NOT NULL CHECK (relationship IN ('self', 'spouse', 'child', 'other')),
  subscriber_family_name text NOT NULL,
  subscriber_given_name text,
  subscriber_birth_date date,
  subscriber_gender text CHECK (subscriber_gender IN ('female', 'male')),
  dependent_family_name text,
  dependent_given_name text,
  dependent_birth_date date,
  dependent_gender text CHECK (dependent_gender IN ('female', 'male')),
  effective_from date NOT NULL,
  effective_to date,
  edition int NOT NULL CHECK (edition >= 1),
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (effective_to >= effective_from),
  CHECK (state = 'active' OR effective_to IS NOT NULL),
  CHECK ((relationship = 'self') = (dependent_given_name IS NULL)),
  CHECK ((relationship = 'self') = (dependent_birth_date IS NULL)),
  CHECK (relationship <> 'self' OR subscriber_birth_date IS NOT NULL),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, payer_id) REFERENCES payers (network_id, id),
  CONSTRAINT coverages_one_a_place EXCLUDE USING gist (
    uuidrange(network_id, network_id, '[]') WITH &&,
    uuidrange(patient_id, patient_id, '[]') WITH &&,
    int4range({_PLACES}, {_PLACES}, '[]') WITH &&,
    daterange(effective_from, effective_to, '[]') WITH &&))
""",
    "self_pay_marks": """
CREATE TABLE self_pay_marks (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  appointment_id uuid,
  self_pay boolean NOT NULL,
  marked_at timestamptz NOT NULL,
  marked_by text NOT NULL,
  UNIQUE (network_id, id))
""",
    "checks": """
CREATE TABLE checks (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  coverage_id uuid NOT NULL,
  edition int NOT NULL,
  appointment_id uuid,
  service_date date NOT NULL,
  number int NOT NULL CHECK (number >= 1),
  state text NOT NULL CHECK (state IN
    ('queued', 'sent', 'verified', 'rejected', 'bad_response', 'no_answer')),
  reason text,
  fault text,
  trace text NOT NULL,
  request bytea NOT NULL,
  response bytea,
  benefits jsonb,
  refusal jsonb,
  sentence text,
  requested_at timestamptz NOT NULL,
  requested_by text NOT NULL,
  sent_at timestamptz,
  answered_at timestamptz,
  version int NOT NULL,
  CHECK ((state IN ('verified', 'rejected', 'bad_response')) = (response IS NOT NULL)),
  CHECK ((response IS NULL) = (answered_at IS NULL)),
  CHECK ((state IN ('queued', 'sent')) = (reason IS NULL)),
  CHECK ((state = 'verified') = (benefits IS NOT NULL)),
  CHECK ((state = 'rejected') = (refusal IS NOT NULL)),
  CHECK ((state IN ('verified', 'rejected')) = (sentence IS NOT NULL)),
  CHECK ((state IN ('bad_response', 'no_answer')) = (fault IS NOT NULL)),
  UNIQUE (network_id, id),
  UNIQUE (network_id, coverage_id, number),
  FOREIGN KEY (network_id, coverage_id) REFERENCES coverages (network_id, id))
""",
    "known_visits": """
CREATE TABLE known_visits (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  appointment_type_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  new_patient boolean NOT NULL,
  state text NOT NULL CHECK (state IN ('booked', 'cancelled', 'no_show')),
  placed_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, appointment_id))
""",
    "visit_covers": """
CREATE TABLE visit_covers (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('active', 'inactive', 'unverified', 'self_pay')),
  reason text NOT NULL,
  coverage_id uuid,
  check_id uuid,
  decided_at timestamptz NOT NULL,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (verdict NOT IN ('active', 'inactive') OR check_id IS NOT NULL),
  CHECK ((verdict = 'self_pay') = (coverage_id IS NULL)),
  PRIMARY KEY (network_id, appointment_id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES known_visits (network_id, appointment_id),
  FOREIGN KEY (network_id, coverage_id) REFERENCES coverages (network_id, id),
  FOREIGN KEY (network_id, check_id) REFERENCES checks (network_id, id))
""",
    "estimates": """
CREATE TABLE estimates (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  revision int NOT NULL CHECK (revision >= 1),
  version int NOT NULL,
  event_seq int NOT NULL,
  PRIMARY KEY (network_id, appointment_id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES known_visits (network_id, appointment_id))
""",
    "estimate_revisions": """
CREATE TABLE estimate_revisions (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  revision int NOT NULL CHECK (revision >= 1),
  id uuid NOT NULL,
  service_code text NOT NULL,
  fee_id uuid NOT NULL,
  check_id uuid,
  verdict text NOT NULL CHECK (verdict IN ('active', 'inactive', 'unverified', 'self_pay')),
  verdict_reason text NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  fee_cents bigint NOT NULL CHECK (fee_cents >= 0),
  patient_cents bigint NOT NULL CHECK (patient_cents BETWEEN 0 AND fee_cents),
  copay_cents bigint NOT NULL CHECK (copay_cents BETWEEN 0 AND patient_cents),
  low_cents bigint NOT NULL CHECK (low_cents BETWEEN 0 AND high_cents),
  high_cents bigint NOT NULL CHECK (high_cents = patient_cents),
  lines jsonb NOT NULL,
  reasons text[] NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, appointment_id, revision),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES estimates (network_id, appointment_id))
""",
    "known_patients": """
CREATE TABLE known_patients (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  registered_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, patient_id))
""",
    "known_clinics": """
CREATE TABLE known_clinics (
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  time_zone text NOT NULL,
  PRIMARY KEY (network_id, clinic_id))
""",
    "known_types": """
CREATE TABLE known_types (
  network_id uuid NOT NULL,
  appointment_type_id uuid NOT NULL,
  service_code_new text NOT NULL,
  service_code_known text NOT NULL,
  PRIMARY KEY (network_id, appointment_type_id))
""",
    "known_fees": """
CREATE TABLE known_fees (
  network_id uuid NOT NULL,
  fee_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  service_code text NOT NULL,
  amount_cents bigint NOT NULL,
  currency text NOT NULL,
  effective_from date NOT NULL,
  PRIMARY KEY (network_id, fee_id))
""",
}

INDEXES = (
    "CREATE INDEX coverages_of ON coverages (network_id, patient_id)",
    "CREATE INDEX self_pay_marks_of ON self_pay_marks (network_id, patient_id)",
    "CREATE INDEX checks_of ON checks (network_id, patient_id, service_date)",
    "CREATE INDEX visits_of ON known_visits (network_id, patient_id, starts_at)",
    "CREATE INDEX visits_at ON known_visits (network_id, clinic_id, starts_at)",
    "CREATE INDEX visits_of_type ON known_visits (network_id, appointment_type_id, starts_at)",
    "CREATE INDEX fees_of ON known_fees (network_id, clinic_id, service_code)",
)


def upgrade() -> None:
    execute = executor()
    create_mechanism(execute, "eligibility")
    execute("CREATE TYPE uuidrange AS RANGE (subtype = uuid)")
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "eligibility_app")
    for text in INDEXES:
        execute(text)
