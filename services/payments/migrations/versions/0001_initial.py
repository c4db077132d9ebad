"""Fees, charges, the ledger, payments, refunds, receipts, drawers, days and what is heard."""

from shared.db.mechanism import create_mechanism, protect, protect_clinic_table
from shared.db.migrate import executor

revision = "0001"
down_revision = None

APP = "payments_app"
CENTS_MAX = 10_000_000
SETTLED = "('posted', 'partially_refunded', 'refunded')"

HEARD = {
    "known_clinics": """
CREATE TABLE known_clinics (
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  time_zone text NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  PRIMARY KEY (network_id, clinic_id))
""",
    "known_patients": """
CREATE TABLE known_patients (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  registered_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, patient_id))
""",
    "known_visits": """
CREATE TABLE known_visits (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN
    ('booked', 'checked_in', 'checked_out', 'cancelled', 'no_show')),
  checked_out_at timestamptz,
  CHECK ((state = 'checked_out') = (checked_out_at IS NOT NULL)),
  PRIMARY KEY (network_id, appointment_id))
""",
    "estimates": """
CREATE TABLE estimates (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  estimate_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  patient_cents bigint NOT NULL,
  copay_cents bigint NOT NULL,
  currency text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, appointment_id))
""",
}

CHANGING = {
    "fees": f"""
CREATE TABLE fees (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  code text NOT NULL,
  amount_cents bigint NOT NULL CHECK (amount_cents BETWEEN 0 AND {CENTS_MAX}),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{{3}}$'),
  effective_from date NOT NULL,
  effective_to date,
  priced_at timestamptz NOT NULL,
  priced_by text NOT NULL,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK (effective_from < effective_to),
  UNIQUE (network_id, id),
  CONSTRAINT fees_one_price_a_day EXCLUDE USING gist (
    uuidrange(network_id, network_id, '[]') WITH &&,
    uuidrange(clinic_id, clinic_id, '[]') WITH &&,
    coderange(code, code, '[]') WITH &&,
    daterange(effective_from, effective_to) WITH &&))
""",
    "charges": f"""
CREATE TABLE charges (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('captured', 'corrected', 'voided')),
  amount_cents bigint NOT NULL CHECK (amount_cents BETWEEN 0 AND {CENTS_MAX}),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{{3}}$'),
  diagnoses text[] NOT NULL CHECK (cardinality(diagnoses) <= 12),
  service_date date NOT NULL,
  business_date date NOT NULL,
  captured_at timestamptz NOT NULL,
  captured_by text NOT NULL,
  version int NOT NULL,
  UNIQUE (network_id, id))
""",
    "no_charges": """
CREATE TABLE no_charges (
  network_id uuid NOT NULL,
  appointment_id uuid NOT NULL,
  reason text NOT NULL CHECK (reason IN ('included_in_other_visit', 'courtesy',
    'left_without_being_seen', 'administrative', 'research')),
  note text,
  noted_at timestamptz NOT NULL,
  noted_by text NOT NULL,
  version int NOT NULL,
  PRIMARY KEY (network_id, appointment_id))
""",
    "accounts": """
CREATE TABLE accounts (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  balance_cents bigint NOT NULL,
  allocated int NOT NULL CHECK (allocated >= 0),
  version int NOT NULL,
  event_seq int NOT NULL,
  PRIMARY KEY (network_id, patient_id))
""",
    "drawers": f"""
CREATE TABLE drawers (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  name text NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'counted', 'closed')),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{{3}}$'),
  float_cents bigint NOT NULL CHECK (float_cents BETWEEN 0 AND {CENTS_MAX}),
  business_date date NOT NULL,
  opened_at timestamptz NOT NULL,
  opened_by text NOT NULL,
  expected_cents bigint,
  expected_check_count int,
  expected_check_cents bigint,
  counted_cents bigint CHECK (counted_cents >= 0),
  counted_check_count int CHECK (counted_check_count >= 0),
  counted_check_cents bigint CHECK (counted_check_cents >= 0),
  variance_reason text,
  closed_at timestamptz,
  closed_by text,
  version int NOT NULL,
  event_seq int NOT NULL,
  CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
  CONSTRAINT drawers_closed_explained CHECK (status <> 'closed' OR variance_reason IS NOT NULL OR (
    counted_cents = expected_cents AND counted_check_count = expected_check_count
    AND counted_check_cents = expected_check_cents) IS TRUE),
  UNIQUE (network_id, id))
""",
    "payments": f"""
CREATE TABLE payments (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  appointment_id uuid,
  method text NOT NULL CHECK (method IN ('cash', 'check', 'card')),
  status text NOT NULL CHECK (status IN ('initiated', 'pending', 'unknown', 'posted',
    'partially_refunded', 'refunded', 'declined', 'cancelled')),
  amount_cents bigint NOT NULL CHECK (amount_cents BETWEEN 1 AND {CENTS_MAX}),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{{3}}$'),
  refunded_cents bigint NOT NULL,
  tendered_cents bigint CHECK (tendered_cents >= amount_cents),
  check_number text,
  drawer_id uuid,
  note text,
  card_brand text,
  card_last4 text CHECK (card_last4 ~ '^[0-9]{{4}}$'),
  approval_code text,
  processor_reference text,
  decline_code text,
  twin_of uuid,
  business_date date NOT NULL,
  taken_at timestamptz NOT NULL,
  taken_by text NOT NULL,
  posted_at timestamptz,
  version int NOT NULL,
  CONSTRAINT payments_refunded_within CHECK (refunded_cents BETWEEN 0 AND amount_cents),
  CHECK (refunded_cents = 0 OR status IN {SETTLED}),
  CHECK ((status IN {SETTLED}) = (posted_at IS NOT NULL)),
  CHECK ((method = 'check') = (check_number IS NOT NULL)),
  CHECK (method <> 'cash' OR drawer_id IS NOT NULL),
  CHECK (method <> 'card' OR drawer_id IS NULL),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, drawer_id) REFERENCES drawers (network_id, id),
  FOREIGN KEY (network_id, twin_of) REFERENCES payments (network_id, id))
""",
    "refunds": f"""
CREATE TABLE refunds (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  payment_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  method text NOT NULL CHECK (method IN ('cash', 'check', 'card')),
  status text NOT NULL CHECK (status IN ('initiated', 'pending', 'unknown', 'posted',
    'declined', 'cancelled')),
  amount_cents bigint NOT NULL CHECK (amount_cents BETWEEN 1 AND {CENTS_MAX}),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{{3}}$'),
  reason text NOT NULL,
  check_number text,
  drawer_id uuid,
  approval_code text,
  processor_reference text,
  decline_code text,
  business_date date NOT NULL,
  asked_at timestamptz NOT NULL,
  asked_by text NOT NULL,
  posted_at timestamptz,
  version int NOT NULL,
  CHECK ((status = 'posted') = (posted_at IS NOT NULL)),
  CHECK ((method = 'cash') = (drawer_id IS NOT NULL)),
  UNIQUE (network_id, id),
  FOREIGN KEY (network_id, payment_id) REFERENCES payments (network_id, id),
  FOREIGN KEY (network_id, drawer_id) REFERENCES drawers (network_id, id))
""",
    "receipt_counters": """
CREATE TABLE receipt_counters (
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  last_number int NOT NULL CHECK (last_number >= 0),
  PRIMARY KEY (network_id, clinic_id))
""",
}

# Only ever added to: app may read and insert, and a trigger refuses the rest to everybody.
LASTING = {
    "charge_lines": f"""
CREATE TABLE charge_lines (
  network_id uuid NOT NULL,
  charge_id uuid NOT NULL,
  line int NOT NULL CHECK (line BETWEEN 1 AND 50),
  code text NOT NULL,
  units int NOT NULL CHECK (units BETWEEN 1 AND 999),
  unit_price_cents bigint NOT NULL CHECK (unit_price_cents BETWEEN 0 AND {CENTS_MAX}),
  amount_cents bigint NOT NULL,
  modifiers text[] NOT NULL CHECK (cardinality(modifiers) <= 4),
  diagnoses int[] NOT NULL CHECK (cardinality(diagnoses) <= 4),
  CHECK (amount_cents = units * unit_price_cents),
  PRIMARY KEY (network_id, charge_id, line),
  FOREIGN KEY (network_id, charge_id) REFERENCES charges (network_id, id))
""",
    # One entry of a kind for one source: what is posted is posted once, whatever is tried again.
    "ledger_entries": """
CREATE TABLE ledger_entries (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  patient_id uuid,
  kind text NOT NULL CHECK (kind IN ('charge', 'payment', 'credit_applied', 'adjustment',
    'refund_granted', 'refund_paid', 'refund', 'drawer_opened', 'drawer_closed')),
  source_id uuid NOT NULL,
  business_date date NOT NULL,
  posted_at timestamptz NOT NULL,
  posted_by text NOT NULL,
  UNIQUE (network_id, id),
  CONSTRAINT ledger_posted_once UNIQUE (network_id, source_id, kind))
""",
    "ledger_lines": """
CREATE TABLE ledger_lines (
  network_id uuid NOT NULL,
  entry_id uuid NOT NULL,
  line int NOT NULL CHECK (line >= 1),
  account_kind text NOT NULL CHECK (account_kind IN ('patient_receivable', 'patient_credit',
    'cash_drawer', 'cash_safe', 'checks_on_hand', 'card_clearing', 'bank', 'revenue',
    'contractual_adjustment', 'refunds_payable', 'over_short')),
  owner_id uuid,
  cents bigint NOT NULL CHECK (cents <> 0),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  CHECK ((owner_id IS NULL) = (account_kind IN ('card_clearing', 'bank', 'refunds_payable'))),
  PRIMARY KEY (network_id, entry_id, line),
  CONSTRAINT ledger_account_once UNIQUE NULLS NOT DISTINCT
    (network_id, entry_id, account_kind, owner_id, currency),
  FOREIGN KEY (network_id, entry_id) REFERENCES ledger_entries (network_id, id))
""",
    "allocations": """
CREATE TABLE allocations (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  position int NOT NULL CHECK (position >= 1),
  payment_id uuid NOT NULL,
  charge_id uuid,
  visit_id uuid,
  purpose text NOT NULL CHECK (purpose IN ('copay', 'balance', 'credit')),
  cents bigint NOT NULL CHECK (cents <> 0),
  entry_id uuid NOT NULL,
  PRIMARY KEY (network_id, patient_id, position),
  FOREIGN KEY (network_id, payment_id) REFERENCES payments (network_id, id),
  FOREIGN KEY (network_id, charge_id) REFERENCES charges (network_id, id),
  FOREIGN KEY (network_id, entry_id) REFERENCES ledger_entries (network_id, id))
""",
    "business_days": """
CREATE TABLE business_days (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  business_date date NOT NULL,
  report jsonb NOT NULL,
  closed_at timestamptz NOT NULL,
  closed_by text NOT NULL,
  version int NOT NULL,
  event_seq int NOT NULL,
  UNIQUE (network_id, id),
  CONSTRAINT business_days_once UNIQUE (network_id, clinic_id, business_date))
""",
    "receipts": """
CREATE TABLE receipts (
  id uuid PRIMARY KEY,
  network_id uuid NOT NULL,
  clinic_id uuid NOT NULL,
  number int NOT NULL CHECK (number >= 1),
  direction text NOT NULL CHECK (direction IN ('payment', 'refund')),
  payment_id uuid NOT NULL,
  refund_id uuid,
  patient_id uuid NOT NULL,
  amount_cents bigint NOT NULL CHECK (amount_cents >= 1),
  currency text NOT NULL,
  owed_after_cents bigint NOT NULL,
  time_zone text NOT NULL,
  issued_at timestamptz NOT NULL,
  visit_on date,
  instrument jsonb NOT NULL,
  content jsonb NOT NULL,
  pdf_state text NOT NULL CHECK (pdf_state IN ('waiting', 'rendered', 'failed')),
  version int NOT NULL,
  CHECK ((direction = 'refund') = (refund_id IS NOT NULL)),
  UNIQUE (network_id, id),
  CONSTRAINT receipts_number_once UNIQUE (network_id, clinic_id, number),
  CONSTRAINT receipts_issued_once UNIQUE NULLS NOT DISTINCT (network_id, payment_id, refund_id),
  FOREIGN KEY (network_id, payment_id) REFERENCES payments (network_id, id),
  FOREIGN KEY (network_id, refund_id) REFERENCES refunds (network_id, id))
""",
    "receipt_pdfs": """
CREATE TABLE receipt_pdfs (
  network_id uuid NOT NULL,
  receipt_id uuid NOT NULL,
  pdf bytea NOT NULL CHECK (octet_length(pdf) BETWEEN 1 AND 2000000),
  rendered_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, receipt_id),
  FOREIGN KEY (network_id, receipt_id) REFERENCES receipts (network_id, id))
""",
}
PDF_STATE = "UPDATE (pdf_state, version)"

INDEXES = (
    "CREATE UNIQUE INDEX charges_one_a_visit ON charges (network_id, appointment_id)"
    " WHERE status = 'captured'",
    "CREATE UNIQUE INDEX drawers_one_open ON drawers (network_id, clinic_id, name)"
    " WHERE status <> 'closed'",
    "CREATE INDEX fees_of ON fees (network_id, clinic_id, code, effective_from)",
    "CREATE INDEX visits_by_day ON known_visits (network_id, clinic_id, starts_at)",
    "CREATE INDEX charges_of ON charges (network_id, patient_id)",
    "CREATE INDEX payments_of ON payments (network_id, patient_id, taken_at)",
    "CREATE INDEX payments_by_day ON payments (network_id, clinic_id, business_date)",
    "CREATE INDEX payments_in ON payments (network_id, drawer_id) WHERE drawer_id IS NOT NULL",
    "CREATE INDEX refunds_of ON refunds (network_id, payment_id)",
    "CREATE INDEX refunds_by_day ON refunds (network_id, clinic_id, business_date)",
    "CREATE INDEX refunds_in ON refunds (network_id, drawer_id) WHERE drawer_id IS NOT NULL",
    "CREATE INDEX drawers_by_day ON drawers (network_id, clinic_id, business_date)",
    "CREATE INDEX entries_by_day ON ledger_entries (network_id, clinic_id, business_date)",
    "CREATE INDEX entries_of ON ledger_entries (network_id, patient_id, posted_at, id)",
    "CREATE INDEX lines_of ON ledger_lines (network_id, account_kind, owner_id)",
    "CREATE INDEX allocations_to ON allocations (network_id, charge_id)",
    "CREATE INDEX allocations_from ON allocations (network_id, payment_id)",
)

# The entry is judged with its lines when the transaction ends. On the lines alone an entry without
# lines would pass; on the entry alone a line that comes later would. A line that comes in a later
# transaction is refused even where it brings its own counterpart: what is posted stays as it is.
# Where the network was changed on the way nothing is seen any more, and nothing is accepted.
LEDGER_WHOLE = """
CREATE FUNCTION ledger_entry_whole(network uuid, entry uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT count(*) FROM ledger_lines l
      WHERE l.network_id = network AND l.entry_id = entry) < 2
    OR EXISTS (SELECT 1 FROM ledger_lines l
      WHERE l.network_id = network AND l.entry_id = entry
      GROUP BY l.currency HAVING sum(l.cents) <> 0)
    OR NOT EXISTS (SELECT 1 FROM ledger_entries e
      WHERE e.network_id = network AND e.id = entry AND e.xmin = pg_current_xact_id()::xid)
  THEN
    RAISE EXCEPTION 'a ledger entry has two lines or more that sum to zero, and keeps them'
      USING ERRCODE = '23514', TABLE = 'ledger_entries', CONSTRAINT = 'ledger_entry_whole';
  END IF;
END $$
"""
LEDGER_ENTRY = """
CREATE FUNCTION ledger_check_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ledger_entry_whole(NEW.network_id, NEW.id);
  IF EXISTS (SELECT 1 FROM business_days d WHERE d.network_id = NEW.network_id
      AND d.clinic_id = NEW.clinic_id AND d.business_date = NEW.business_date) THEN
    RAISE EXCEPTION 'nothing is posted into a closed day'
      USING ERRCODE = '23514', TABLE = 'ledger_entries', CONSTRAINT = 'ledger_day_open';
  END IF;
  RETURN NULL;
END $$
"""
LEDGER_LINE = """
CREATE FUNCTION ledger_check_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ledger_entry_whole(NEW.network_id, NEW.entry_id);
  RETURN NULL;
END $$
"""
REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME
    USING ERRCODE = '23001', TABLE = TG_TABLE_NAME;
END $$
"""


def upgrade() -> None:
    execute = executor()
    create_mechanism(execute, "payments")
    execute("CREATE TYPE uuidrange AS RANGE (subtype = uuid)")
    execute('CREATE TYPE coderange AS RANGE (subtype = text, collation = "C")')
    execute(REFUSE)
    for table, text in {**HEARD, **CHANGING}.items():
        execute(text)
        protect_clinic_table(execute, table, APP)
    for table, text in LASTING.items():
        execute(text)
        protect(execute, table, APP)
        execute(f"GRANT SELECT, INSERT ON {table} TO {APP}")
        verbs = "DELETE" if table == "receipts" else "UPDATE OR DELETE"
        for when, each in ((verbs, "ROW"), ("TRUNCATE", "STATEMENT")):
            execute(
                f"CREATE TRIGGER {table}_lasting_{each.lower()} BEFORE {when} ON {table}"
                f" FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )
    execute(f"GRANT {PDF_STATE} ON receipts TO {APP}")
    for text in (*INDEXES, LEDGER_WHOLE, LEDGER_ENTRY, LEDGER_LINE):
        execute(text)
    for table, function in (
        ("ledger_entries", "ledger_check_entry"),
        ("ledger_lines", "ledger_check_line"),
    ):
        execute(
            f"CREATE CONSTRAINT TRIGGER {table}_whole AFTER INSERT ON {table}"
            f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
