"""People, how they are reached and found, consents, verifications and what is heard of visits."""

from shared.db.mechanism import create_mechanism, protect_clinic_table
from shared.db.migrate import executor

revision = "0001"
down_revision = None

_OF_A_PATIENT = "FOREIGN KEY (network_id, patient_id) REFERENCES patients (network_id, id)"

# Searched by comparison under "C": a prefix is a range, and row security keeps LIKE off an index.
TABLES = {
    "mrn_series": """
CREATE TABLE mrn_series (
  network_id uuid PRIMARY KEY,
  last_number int NOT NULL CHECK (last_number BETWEEN 1 AND 99999999))
""",
    "patients": """
CREATE TABLE patients (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  mrn text COLLATE "C" NOT NULL,
  family text,
  given text,
  middle text,
  suffix text,
  preferred text,
  birth_date date NOT NULL,
  death_date date,
  gender text NOT NULL CHECK (gender IN ('male', 'female', 'other', 'unknown')),
  family_search text COLLATE "C" NOT NULL,
  given_search text COLLATE "C" NOT NULL,
  preferred_search text COLLATE "C" NOT NULL,
  family_sound text COLLATE "C" NOT NULL,
  given_sound text COLLATE "C" NOT NULL,
  registered_at timestamptz NOT NULL,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (family IS NOT NULL OR given IS NOT NULL),
  CHECK (death_date >= birth_date),
  UNIQUE (network_id, id),
  UNIQUE (network_id, mrn))
""",
    "patient_phones": f"""
CREATE TABLE patient_phones (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  position int NOT NULL,
  number text COLLATE "C" NOT NULL CHECK (number ~ '^[+][1-9][0-9]{{7,14}}$'),
  use text NOT NULL CHECK (use IN ('mobile', 'home', 'work', 'other')),
  ended_at timestamptz,
  UNIQUE (network_id, id),
  {_OF_A_PATIENT})
""",
    "patient_emails": f"""
CREATE TABLE patient_emails (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  position int NOT NULL,
  address text NOT NULL,
  search text COLLATE "C" NOT NULL,
  ended_at timestamptz,
  UNIQUE (network_id, id),
  {_OF_A_PATIENT})
""",
    "patient_addresses": f"""
CREATE TABLE patient_addresses (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  position int NOT NULL,
  use text NOT NULL CHECK (use IN ('home', 'mailing', 'work', 'other')),
  lines text[] NOT NULL CHECK (cardinality(lines) BETWEEN 1 AND 4),
  city text NOT NULL,
  state text,
  postal_code text,
  country text NOT NULL CHECK (country ~ '^[A-Z]{{2}}$'),
  ended_at timestamptz,
  UNIQUE (network_id, id),
  {_OF_A_PATIENT})
""",
    "match_keys": f"""
CREATE TABLE match_keys (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  key text COLLATE "C" NOT NULL,
  active boolean NOT NULL,
  PRIMARY KEY (network_id, patient_id, key),
  {_OF_A_PATIENT})
""",
    "passed_over": f"""
CREATE TABLE passed_over (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  alike_id uuid NOT NULL,
  grade text NOT NULL CHECK (grade IN ('possible', 'probable', 'certain')),
  score int NOT NULL,
  reason text NOT NULL,
  decided_at timestamptz NOT NULL,
  decided_by text NOT NULL,
  PRIMARY KEY (network_id, patient_id, alike_id),
  {_OF_A_PATIENT},
  FOREIGN KEY (network_id, alike_id) REFERENCES patients (network_id, id))
""",
    "contacts": f"""
CREATE TABLE contacts (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('emergency', 'next_of_kin', 'guarantor')),
  relationship text NOT NULL,
  contact_patient_id uuid,
  family text,
  given text,
  phone text,
  email text,
  lines text[],
  city text,
  state text,
  postal_code text,
  country text,
  added_at timestamptz NOT NULL,
  ended_at timestamptz,
  CHECK (contact_patient_id <> patient_id),
  CHECK (contact_patient_id IS NOT NULL OR family IS NOT NULL OR given IS NOT NULL),
  UNIQUE (network_id, id),
  {_OF_A_PATIENT},
  FOREIGN KEY (network_id, contact_patient_id) REFERENCES patients (network_id, id))
""",
    "consents": f"""
CREATE TABLE consents (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN
    ('treatment', 'privacy_notice', 'billing_release', 'assignment_of_benefits', 'messages')),
  text_version text NOT NULL,
  granted_at timestamptz NOT NULL,
  time_zone text NOT NULL,
  expires_on date,
  recorded_at timestamptz NOT NULL,
  recorded_by text NOT NULL,
  revoked_at timestamptz,
  revoked_by text,
  CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
  UNIQUE (network_id, id),
  {_OF_A_PATIENT})
""",
    "verifications": f"""
CREATE TABLE verifications (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  field text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('confirmed', 'changed')),
  verified_at timestamptz NOT NULL,
  verified_by text NOT NULL,
  UNIQUE (network_id, id),
  {_OF_A_PATIENT})
""",
    "amendments": f"""
CREATE TABLE amendments (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  field text NOT NULL,
  amended_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, patient_id, field),
  {_OF_A_PATIENT})
""",
    "known_visits": """
CREATE TABLE known_visits (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  status text NOT NULL CHECK (status IN ('booked', 'cancelled', 'no_show', 'checked_out')),
  checked_out_at timestamptz,
  CHECK ((status = 'checked_out') = (checked_out_at IS NOT NULL)),
  PRIMARY KEY (network_id, appointment_id))
""",
    "known_clinics": """
CREATE TABLE known_clinics (
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  time_zone text NOT NULL,
  PRIMARY KEY (network_id, clinic_id))
""",
}

INDEXES = (
    "CREATE INDEX patients_by_family ON patients (network_id, family_search, given_search)",
    "CREATE INDEX patients_by_given ON patients (network_id, given_search)",
    "CREATE INDEX patients_by_preferred ON patients (network_id, preferred_search)",
    "CREATE INDEX patients_by_family_sound ON patients (network_id, family_sound, given_sound)",
    "CREATE INDEX patients_by_given_sound ON patients (network_id, given_sound)",
    "CREATE INDEX patients_by_birth_date ON patients (network_id, birth_date)",
    "CREATE INDEX phones_by_number ON patient_phones (network_id, number) WHERE ended_at IS NULL",
    "CREATE INDEX phones_of ON patient_phones (network_id, patient_id) WHERE ended_at IS NULL",
    "CREATE INDEX emails_by_search ON patient_emails (network_id, search) WHERE ended_at IS NULL",
    "CREATE INDEX emails_of ON patient_emails (network_id, patient_id) WHERE ended_at IS NULL",
    "CREATE INDEX addresses_of ON patient_addresses (network_id, patient_id)"
    " WHERE ended_at IS NULL",
    "CREATE INDEX match_keys_by_key ON match_keys (network_id, key) WHERE active",
    "CREATE INDEX contacts_of ON contacts (network_id, patient_id)",
    "CREATE INDEX consents_of ON consents (network_id, patient_id, granted_at)",
    "CREATE INDEX verifications_of ON verifications (network_id, patient_id, field, verified_at)",
    "CREATE INDEX visits_of ON known_visits (network_id, patient_id, starts_at)",
)


def upgrade() -> None:
    execute = executor()
    create_mechanism(execute, "patients")
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "patients_app")
    for text in INDEXES:
        execute(text)
