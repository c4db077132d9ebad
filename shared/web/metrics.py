"""What every service counts. Labels are route templates and codes, never ids."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "clinicbus_requests_total", "Requests answered", ["service", "route", "method", "status"]
)
SECONDS = Histogram(
    "clinicbus_request_seconds",
    "Time from request to reply",
    ["service", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
UNAUTHENTICATED = Counter("clinicbus_unauthenticated_total", "Tokens refused", ["service", "why"])
DENIED = Counter("clinicbus_denied_total", "Permissions refused", ["service", "route"])
TRANSACTION_RETRIES = Counter(
    "clinicbus_transaction_retries_total", "Transactions run again", ["service", "why"]
)
REVOCATIONS_AGE = Gauge(
    "clinicbus_revocations_age_seconds", "Age of the list of revoked tokens", ["service"]
)
AUDIT_UNANCHORED_SECONDS = Gauge(
    "clinicbus_audit_unanchored_seconds", "Age of the oldest seal without an anchor", ["service"]
)
AUDIT_UNSEALED_SECONDS = Gauge(
    "clinicbus_audit_unsealed_seconds", "Age of the oldest audit row without a seal", ["service"]
)
