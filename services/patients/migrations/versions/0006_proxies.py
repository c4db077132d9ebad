"""Who may act for a patient, and at what age a network's patients come of age."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0006"
down_revision = "0005"

POLICIES = """
CREATE TABLE proxy_policies (
  network_id uuid NOT NULL,
  majority_age integer NOT NULL CHECK (majority_age BETWEEN 18 AND 21),
  set_at timestamptz NOT NULL,
  set_by text NOT NULL,
  PRIMARY KEY (network_id)
)
"""
TABLE = """
CREATE TABLE proxies (
  network_id uuid NOT NULL,
  id uuid NOT NULL,
  patient_id uuid NOT NULL,
  proxy_subject text,
  proxy_key text,
  proxy_patient_id uuid,
  authority text NOT NULL CHECK (authority IN ('parent_or_guardian_of_minor',
    'health_care_power_of_attorney', 'personal_representative', 'patient_permission')),
  scope text[] NOT NULL CHECK (cardinality(scope) > 0 AND scope <@ ARRAY['appointment:read',
    'appointment:book', 'visit:check_in', 'patient:read', 'coverage:read', 'estimate:read',
    'payment:read', 'account:read', 'document:read']),
  begins_at timestamptz NOT NULL,
  until_at timestamptz,
  majority_at timestamptz,
  lapses_at timestamptz CHECK (lapses_at IS NOT DISTINCT FROM least(until_at, majority_at)),
  evidence_document_id uuid,
  verified_at timestamptz NOT NULL,
  verified_by text NOT NULL,
  ended_at timestamptz,
  ended_by text,
  end_reason text CHECK (end_reason IN ('ended_by_patient', 'authority_ended', 'safety',
    'entered_in_error', 'other', 'expired', 'age_of_majority')),
  end_note text,
  PRIMARY KEY (id),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, patient_id) REFERENCES patients (network_id, id),
  FOREIGN KEY (network_id, proxy_patient_id) REFERENCES patients (network_id, id),
  CHECK (num_nonnulls(proxy_subject, proxy_patient_id) = 1),
  CHECK (num_nulls(proxy_subject, proxy_key) IN (0, 2)),
  CHECK (proxy_patient_id <> patient_id),
  CHECK ((authority = 'parent_or_guardian_of_minor') = (majority_at IS NOT NULL)),
  CHECK (authority NOT IN ('health_care_power_of_attorney', 'personal_representative')
    OR evidence_document_id IS NOT NULL),
  CHECK (num_nulls(ended_at, ended_by, end_reason) IN (0, 3)),
  CHECK (end_note IS NULL OR ended_at IS NOT NULL)
)
"""
INDEXES = (
    "CREATE INDEX proxies_of ON proxies (network_id, patient_id)",
    # One standing entry for each two people, whoever enters it at the same moment.
    "CREATE UNIQUE INDEX proxies_once_by_subject ON proxies (network_id, patient_id, proxy_key)"
    " WHERE ended_at IS NULL",
    "CREATE UNIQUE INDEX proxies_once_by_patient"
    " ON proxies (network_id, patient_id, proxy_patient_id) WHERE ended_at IS NULL",
)


def upgrade() -> None:
    execute = executor()
    for table, text in {"proxy_policies": POLICIES, "proxies": TABLE}.items():
        execute(text)
        protect_clinic_table(execute, table, "patients_app")
    for text in INDEXES:
        execute(text)
