"""Documents, chart packets and what is heard of visits and patients."""

from shared.db.mechanism import create_mechanism, protect_clinic_table
from shared.db.migrate import executor

revision = "0001"
down_revision = None

TABLES = {
    "documents": """
CREATE TABLE documents (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  state text NOT NULL
    CHECK (state IN ('received', 'classified', 'indexed', 'entered_in_error')),
  source text NOT NULL
    CHECK (source IN ('upload', 'scan', 'fax', 'mail', 'email', 'portal', 'generated')),
  document_class text,
  filename text NOT NULL,
  declared_type text NOT NULL,
  content_type text NOT NULL,
  byte_count bigint NOT NULL CHECK (byte_count > 0),
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  patient_id uuid,
  appointment_id uuid,
  duplicate_of uuid,
  elsewhere boolean NOT NULL,
  superseded_by uuid,
  changes int NOT NULL,
  received_at timestamptz NOT NULL,
  received_by text NOT NULL,
  indexed_at timestamptz,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (state <> 'classified' OR document_class IS NOT NULL),
  CHECK (state <> 'indexed' OR (document_class IS NOT NULL AND patient_id IS NOT NULL
    AND indexed_at IS NOT NULL)),
  CHECK (appointment_id IS NULL OR patient_id IS NOT NULL),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, duplicate_of) REFERENCES documents (network_id, id),
  FOREIGN KEY (network_id, superseded_by) REFERENCES documents (network_id, id))
""",
    "document_changes": """
CREATE TABLE document_changes (
  network_id uuid NOT NULL,
  document_id uuid NOT NULL,
  change int NOT NULL CHECK (change >= 1),
  id uuid NOT NULL,
  move text NOT NULL
    CHECK (move IN ('classify', 'index', 'reclassify', 'move', 'mark_in_error')),
  from_class text,
  to_class text,
  from_patient_id uuid,
  to_patient_id uuid,
  from_appointment_id uuid,
  to_appointment_id uuid,
  reason text,
  changed_at timestamptz NOT NULL,
  changed_by text NOT NULL,
  CHECK (move IN ('classify', 'index') OR reason IS NOT NULL),
  PRIMARY KEY (network_id, document_id, change),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, document_id) REFERENCES documents (network_id, id))
""",
    "known_visits": """
CREATE TABLE known_visits (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  provider_id uuid NOT NULL,
  appointment_type_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('booked', 'cancelled', 'no_show')),
  new_patient boolean NOT NULL,
  walk_in boolean NOT NULL,
  moves int NOT NULL,
  heard_at timestamptz NOT NULL,
  heard_event uuid NOT NULL,
  heard_actor text NOT NULL,
  PRIMARY KEY (network_id, appointment_id))
""",
    "chart_packets": """
CREATE TABLE chart_packets (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  id uuid NOT NULL,
  state text NOT NULL
    CHECK (state IN ('planned', 'assembling', 'ready', 'failed', 'withdrawn')),
  revision int NOT NULL CHECK (revision >= 0),
  document_id uuid,
  missing text[] NOT NULL,
  facts_hash text,
  asked uuid,
  asked_again boolean NOT NULL,
  problem text,
  ready_at timestamptz,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK ((revision = 0) = (document_id IS NULL)),
  CHECK (state <> 'ready' OR document_id IS NOT NULL),
  CHECK ((state = 'assembling') = (asked IS NOT NULL)),
  PRIMARY KEY (network_id, appointment_id),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, appointment_id) REFERENCES known_visits (network_id, appointment_id),
  FOREIGN KEY (network_id, document_id) REFERENCES documents (network_id, id))
""",
    "known_patients": """
CREATE TABLE known_patients (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  registered boolean NOT NULL,
  identity_verified_at timestamptz,
  balance_cents bigint NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  heard_at timestamptz,
  PRIMARY KEY (network_id, patient_id))
""",
    "known_consents": """
CREATE TABLE known_consents (
  network_id uuid NOT NULL,
  consent_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  kind text NOT NULL,
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
    "visit_estimates": """
CREATE TABLE visit_estimates (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  estimate_id uuid NOT NULL,
  fee_cents bigint NOT NULL,
  patient_cents bigint NOT NULL,
  copay_cents bigint NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  certain boolean NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, appointment_id))
""",
}

INDEXES = (
    "CREATE INDEX documents_by_content ON documents (network_id, sha256)",
    "CREATE INDEX documents_by_patient ON documents (network_id, patient_id, received_at, id)",
    "CREATE INDEX documents_by_visit ON documents (network_id, appointment_id, received_at, id)",
    "CREATE INDEX documents_to_index ON documents (network_id, received_at, id)"
    " WHERE state IN ('received', 'classified')",
    "CREATE INDEX visits_by_patient ON known_visits (network_id, patient_id, starts_at)",
    "CREATE INDEX consents_of ON known_consents (network_id, patient_id)",
)


def upgrade() -> None:
    execute = executor()
    create_mechanism(execute, "documents")
    for table, text in TABLES.items():
        execute(text)
        protect_clinic_table(execute, table, "documents_app")
    for text in INDEXES:
        execute(text)
