"""What a production profile refuses to start with. A new setting is one line of the table.

A finding names the setting and what is wrong with it, and never what it is set to: settings hold
passwords.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address, ip_network
from socket import inet_aton
from typing import NamedTuple
from urllib.parse import urlsplit

from shared.db.secured import is_exposed
from shared.web.limits import SETTING
from shared.web.settings import Chassis, Urls

DEFAULT_SECRET = Chassis.model_fields["service_secret"].default
SECRET_LENGTH_MIN = 32
NETWORK_BITS_MIN = 8
"""A trusted network that is wider is as good as everybody."""


class Told(NamedTuple):
    """All that a process was told."""

    chassis: Chassis
    urls: Urls | None
    environ: Mapping[str, str]


class Rule(NamedTuple):
    """A setting, what is wrong with it, and when it is."""

    setting: str
    what: str
    broken: Callable[[Told], bool]


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine, however its host is written; or to no host at all."""
    try:
        host = (urlsplit(url.strip()).hostname or "").rstrip(".")
    except ValueError:
        return True
    if not host or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        try:
            address = ip_address(inet_aton(host))  # 127.1, 0x7f.1 and 2130706433 are hosts, too
        except OSError:
            return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def is_plain(url: str) -> bool:
    """Whether a URL is anything but https, in whatever case it is written."""
    return not url.strip().lower().startswith("https://")


def _is_unfit(url: str | None) -> bool:
    return url is not None and (is_local(url) or is_plain(url))


def _is_wide(proxies: str) -> bool:
    """Whether the addresses of X-Forwarded are believed of (nearly) anybody."""
    for each in proxies.split(","):
        if "*" in each:
            return True
        try:
            if ip_network(each.strip(), strict=False).prefixlen < NETWORK_BITS_MIN:
                return True
        except ValueError:
            continue  # a name, which is one host's
    return False


def _is_open(origins: Iterable[str]) -> bool:
    """Whether an origin is a pattern, is nobody's, is not encrypted, or is no origin."""
    for each in origins:
        parts = urlsplit(each)
        if "*" in each or parts.scheme != "https" or not parts.hostname:
            return True
        if each != f"https://{parts.netloc}" or "@" in parts.netloc:
            return True
    return False


def _is_short(secret: str) -> bool:
    return len(secret) < SECRET_LENGTH_MIN and secret != DEFAULT_SECRET


def _exposed(part: str) -> Callable[[Told], bool]:
    def broken(told: Told) -> bool:
        url = getattr(told.urls, part, None)
        return url is not None and is_exposed(url, told.environ)

    return broken


EXPOSED = "Postgres without TLS that knows the server (sslmode=verify-full)"

TABLE: tuple[Rule, ...] = (
    Rule("CLINICBUS_ISSUER", "the embedded issuer, on this machine",
         lambda t: is_local(t.chassis.issuer)),
    Rule("CLINICBUS_ISSUER", "an issuer without TLS", lambda t: is_plain(t.chassis.issuer)),
    Rule("CLINICBUS_REVOCATIONS", "revocations from this machine, or without TLS",
         lambda t: _is_unfit(t.chassis.revocations)),
    Rule("CLINICBUS_FAILPOINTS", "failpoints", lambda t: bool(t.chassis.failpoints)),
    Rule("CLINICBUS_CLOCK_FILE", "a settable clock", lambda t: t.chassis.clock_file is not None),
    Rule("CLINICBUS_LOG_LEVEL", "debug", lambda t: t.chassis.log_level == "DEBUG"),
    Rule("CLINICBUS_CORS_ORIGINS", "a wildcard, or what is no https origin",
         lambda t: _is_open(t.chassis.cors_origins)),
    Rule("CLINICBUS_TRUSTED_PROXIES", "a wildcard", lambda t: _is_wide(t.chassis.trusted_proxies)),
    Rule("CLINICBUS_SERVICE_SECRET", "the default secret",
         lambda t: t.chassis.service_secret == DEFAULT_SECRET),
    Rule("CLINICBUS_SERVICE_SECRET", f"a secret of fewer than {SECRET_LENGTH_MIN} characters",
         lambda t: _is_short(t.chassis.service_secret)),
    Rule("CLINICBUS_STEP_UP_ACR", "no level of proof for money given back and the like",
         lambda t: not t.chassis.step_up_acr.split()),
    Rule("CLINICBUS_AUDIT_KEY", "no key, so that the audit is not anchored",
         lambda t: t.chassis.audit_key is None),
    Rule(SETTING, "no limit on how often somebody asks", lambda t: not t.chassis.rates),
    Rule("CLINICBUS_KAFKA_SECURITY_PROTOCOL", "a broker without TLS",
         lambda t: t.chassis.bus == "kafka" and not t.chassis.kafka_access.encrypted),
    Rule("CLINICBUS_URLS", "services asked without TLS, and CLINICBUS_POD_NETWORK is not encrypted",
         lambda t: t.chassis.pod_network == "plain"
         and any(is_plain(url) for url in t.chassis.urls.values())),
    Rule("CLINICBUS_{}_APP_URL", EXPOSED, _exposed("app_url")),
    Rule("CLINICBUS_{}_WORKER_URL", EXPOSED, _exposed("worker_url")),
    Rule("CLINICBUS_{}_BUS_URL", EXPOSED, _exposed("bus_url")),
)  # fmt: skip


def unsafe_settings(
    chassis: Chassis,
    urls: Urls | None = None,
    *,
    service: str = "service",
    own: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> list[str]:
    """What a production profile refuses, each named; empty in the local profile.

    own: what the service found in settings that are its alone.
    environ: where the driver of Postgres looks for what a URL does not say.
    """
    if chassis.profile != "production":
        return []
    told = Told(chassis, urls, environ)
    found = [
        f"{rule.setting.format(service.upper())}: {rule.what}"
        for rule in TABLE
        if rule.broken(told)
    ]
    return [*found, *own]
