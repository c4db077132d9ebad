"""Booking rules as data, how a visit takes place, and the visits of a provider by day."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0009"
down_revision = "0008"

RULES = """
CREATE TABLE booking_rules (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('self_booking', 'lead_time', 'horizon', 'age', 'cover',
    'referral', 'authorization', 'wave', 'daily_cap', 'provider_daily_cap', 'patient_daily_cap',
    'overbook_per_hour')),
  rule_version int NOT NULL CHECK (rule_version >= 1),
  value jsonb NOT NULL,
  binds text NOT NULL CHECK (binds IN ('everyone', 'patients')),
  clinic_id uuid,
  appointment_type_id uuid,
  provider_id uuid,
  effective_from date,
  effective_until date,
  entered_at timestamptz NOT NULL,
  entered_by text NOT NULL,
  ended_at timestamptz,
  ended_by text,
  version int NOT NULL,
  CHECK (effective_from IS NULL OR effective_until IS NULL OR effective_until >= effective_from),
  CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
  UNIQUE (network_id, id),
  CONSTRAINT booking_rules_versions UNIQUE NULLS NOT DISTINCT
    (network_id, kind, clinic_id, appointment_type_id, provider_id, rule_version),
  FOREIGN KEY (network_id, clinic_id) REFERENCES clinics (network_id, id),
  FOREIGN KEY (network_id, appointment_type_id) REFERENCES appointment_types (network_id, id),
  FOREIGN KEY (network_id, provider_id) REFERENCES providers (network_id, id))
"""

CHANGES = (
    "ALTER TABLE appointment_types ADD COLUMN modalities jsonb NOT NULL"
    """ DEFAULT '["in_person"]' CHECK (jsonb_array_length(modalities) > 0"""
    """ AND modalities <@ '["in_person", "video", "phone"]')""",
    "ALTER TABLE appointments ADD COLUMN modality text NOT NULL DEFAULT 'in_person'"
    " CHECK (modality IN ('in_person', 'video', 'phone'))",
    "ALTER TABLE holds ADD COLUMN modality text NOT NULL DEFAULT 'in_person'"
    " CHECK (modality IN ('in_person', 'video', 'phone'))",
    "ALTER TABLE appointments ADD COLUMN decided_by jsonb",
    "ALTER TABLE known_patients ADD COLUMN birth_year int",
    "CREATE INDEX appointments_by_provider ON appointments (network_id, provider_id, starts_at)",
)


def upgrade() -> None:
    execute = executor()
    execute(RULES)
    protect_clinic_table(execute, "booking_rules", "appointments_app")
    for text in CHANGES:
        execute(text)
