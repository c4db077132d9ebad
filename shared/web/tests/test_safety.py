"""What a production profile refuses: each setting in each way it may be written, all at once."""

from collections.abc import Mapping
from typing import Any

import pytest

from shared.bus.kafka_access import KafkaAccess
from shared.db.secured import is_exposed
from shared.web.safety import TABLE, unsafe_settings
from shared.web.settings import Chassis, Urls

pytestmark = pytest.mark.rule("45 CFR 164.312(e)(1)")

SAFE: Mapping[str, Any] = {
    "profile": "production",
    "issuer": "https://login.clinic.example",
    "service_secret": "nobody else knows this one " * 2,
    "rates": "",
    "audit_key": "/etc/clinicbus/audit/key.json",
}
TLS = "postgresql://patients_app:word@db.clinic.example/clinicbus_patients?sslmode=verify-full"
PLAIN = "postgresql://patients_app:hunter2@db.clinic.example/clinicbus_patients"


def found(changed: Mapping[str, Any], urls: Urls | None = None) -> list[str]:
    chassis = Chassis.model_validate({**SAFE, **changed})
    return unsafe_settings(chassis, urls, service="patients", environ={})


def test_what_is_safe_is_not_refused() -> None:
    assert found({}, Urls(app_url=TLS, worker_url=TLS, bus_url=TLS)) == []
    kafka = KafkaAccess(security_protocol="SSL")
    assert found({"bus": "kafka", "kafka": "b:9093", "kafka_access": kafka}) == []


def test_services_are_asked_by_tls_or_over_a_network_that_encrypts() -> None:
    plain = {"urls": {"patients": "https://patients.example", "payments": "http://payments:8104"}}
    assert found(plain) == [
        "CLINICBUS_URLS: services asked without TLS, and CLINICBUS_POD_NETWORK is not encrypted"
    ]
    assert found({**plain, "pod_network": "encrypted"}) == []
    assert found({"urls": {"patients": "https://patients.example"}}) == []


EMBEDDED = "CLINICBUS_ISSUER: the embedded issuer, on this machine"
WITHOUT_TLS = "CLINICBUS_ISSUER: an issuer without TLS"


@pytest.mark.parametrize(
    "issuer",
    [
        "https://127.0.0.1:8110",
        "https://[::1]:8110",
        "https://[::ffff:127.0.0.1]",
        "https://localhost",
        "https://LOCALHOST.",
        "https://issuer.localhost",
        "https://127.1",
        "https://2130706433",
        "https://127.0.0.1.",
        "https://0.0.0.0",
        "https://[::]",
        "https://",
        "https://user@localhost",
        "https://[",
    ],
)
def test_an_issuer_on_this_machine_is_refused_however_it_is_written(issuer: str) -> None:
    assert found({"issuer": issuer}) == [EMBEDDED]


@pytest.mark.parametrize(
    "issuer", ["http://login.example", "HTTP://login.example", "//login.example"]
)
def test_an_issuer_without_tls_is_refused(issuer: str) -> None:
    assert found({"issuer": issuer}) == [WITHOUT_TLS]


@pytest.mark.parametrize(
    "issuer", ["HTTPS://Login.Example", "https://localhost.example", "https://10.1.2.3"]
)
def test_an_issuer_elsewhere_is_taken(issuer: str) -> None:
    assert found({"issuer": issuer}) == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"failpoints": "a:raise"}, "CLINICBUS_FAILPOINTS: failpoints"),
        ({"clock_file": "clock"}, "CLINICBUS_CLOCK_FILE: a settable clock"),
        ({"log_level": "DEBUG"}, "CLINICBUS_LOG_LEVEL: debug"),
        ({"rates": "off"}, "CLINICBUS_RATES: no limit on how often somebody asks"),
        ({"step_up_acr": " "}, "CLINICBUS_STEP_UP_ACR: no level of proof"),
        ({"service_secret": "local-development-only"}, "CLINICBUS_SERVICE_SECRET: the default"),
        ({"service_secret": "s" * 31}, "CLINICBUS_SERVICE_SECRET: a secret of fewer than 32"),
        ({"revocations": "http://login.example/r"}, "CLINICBUS_REVOCATIONS: revocations from"),
        ({"bus": "kafka", "kafka": "b:9092"}, "CLINICBUS_KAFKA_SECURITY_PROTOCOL: a broker"),
    ],
    ids=lambda value: value[:34] if isinstance(value, str) else "",
)
def test_each_setting_is_named(changed: Mapping[str, Any], named: str) -> None:
    assert any(each.startswith(named) for each in found(changed))


@pytest.mark.parametrize(
    "origins",
    ["*", "https://*.clinic.example", "null", "http://desk.example", "https://desk.example/",
     "https://desk.example https://*"],
)  # fmt: skip
def test_an_origin_that_is_a_pattern_or_nobodys_is_refused(origins: str) -> None:
    (named,) = found({"cors_origins": origins})
    assert named.startswith("CLINICBUS_CORS_ORIGINS")


def test_origins_that_are_named_are_taken() -> None:
    assert found({"cors_origins": "https://desk.example https://desk.example:8443"}) == []


@pytest.mark.parametrize(
    "proxies", ["*", "10.0.0.1, *", "0.0.0.0/0", "::/0", "0.0.0.0/1", "10.0.0.1,128.0.0.0/1"]
)
def test_proxies_that_are_everybody_are_refused(proxies: str) -> None:
    assert found({"trusted_proxies": proxies}) == ["CLINICBUS_TRUSTED_PROXIES: a wildcard"]


def test_proxies_that_are_named_are_taken() -> None:
    assert found({"trusted_proxies": "10.0.0.1, 10.0.0.0/8,fd00::/8, gateway"}) == []


@pytest.mark.parametrize("part", ["app", "worker", "bus"])
def test_each_database_must_be_encrypted_and_known(part: str) -> None:
    urls = {"app_url": TLS, "worker_url": TLS, "bus_url": TLS, f"{part}_url": PLAIN}
    (named,) = found({}, Urls.model_validate(urls))
    assert named.startswith(f"CLINICBUS_PATIENTS_{part.upper()}_URL: Postgres without TLS")
    assert "hunter2" not in named


@pytest.mark.parametrize(
    ("url", "environ", "exposed"),
    [
        (PLAIN, {}, True),
        (PLAIN, {"PGSSLMODE": "verify-full"}, False),
        (PLAIN, {"PGSSLMODE": "require"}, True),
        (PLAIN + "?sslmode=verify-ca", {"PGSSLMODE": "verify-full"}, True),
        (PLAIN + "?sslmode=disable", {"PGSSLMODE": "verify-full"}, True),
        (PLAIN + "?sslmode=verify-full&sslmode=disable", {}, True),
        (PLAIN + "?sslmode=VERIFY-FULL", {}, True),
        (PLAIN + "?service=other", {"PGSSLMODE": "verify-full"}, True),
        (PLAIN, {"PGSSLMODE": "verify-full", "PGSERVICE": "other"}, True),
        ("postgresql://u:p@/x?host=/run/postgresql", {}, False),
        ("postgresql://u:p@%2Frun%2Fpostgresql/x", {}, False),
        ("postgresql://u:p@/x?host=/run/postgresql,db.example", {}, True),
        ("postgresql://u:p@db.example/x?host=/run/postgresql", {}, True),
        ("postgresql://u:p@/x", {"PGSSLMODE": "verify-full"}, True),
        ("postgresql://u:p@ss@%2Frun/x", {}, True),
        ("postgresql://[", {}, True),
    ],
)  # fmt: skip
def test_a_url_is_judged_as_the_driver_reads_it(
    url: str, environ: Mapping[str, str], exposed: bool
) -> None:
    assert is_exposed(url, environ) is exposed


def test_everything_wrong_is_named_at_once_and_nothing_is_repeated() -> None:
    secret = "hunter2"
    changed = {
        "issuer": f"http://{secret}@127.0.0.1:8110",
        "revocations": f"http://{secret}",
        "failpoints": secret,
        "clock_file": secret,
        "log_level": "DEBUG",
        "cors_origins": f"* {secret}",
        "trusted_proxies": f"*,{secret}",
        "service_secret": secret,
        "step_up_acr": "",
        "rates": "off",
        "audit_key": None,
        "urls": {"patients": f"http://{secret}"},
        "bus": "kafka",
    }
    all_of_it = found(changed, Urls(app_url=PLAIN, worker_url=PLAIN, bus_url=PLAIN))
    # All rules but one: a secret cannot be short and the default at once.
    assert len(all_of_it) == len(TABLE) - 1
    assert secret not in "; ".join(all_of_it)


def test_the_local_profile_refuses_nothing() -> None:
    assert found({"profile": "local", "rates": "off", "failpoints": "a:raise"}) == []
