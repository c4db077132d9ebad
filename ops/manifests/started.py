"""Whether what the manifests start would start: each process is told what its pod is told.

Where a pod has a value of a Secret, a made-up one stands in: a URL that says nothing of TLS, so
that the settings have to, and a secret that is long enough.
"""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError

from ops.manifests.documents import Document, Facts, containers, named, of_kind
from shared.db.migrate import unsafe_urls
from shared.web.service import Service

STAND_INS = {"-url": "postgresql://somebody@db.example/clinicbus", "-secret": "x" * 43}
MIGRATIONS = ["python", "-m", "shared.db.migrate"]


def starts(documents: list[Document], _: Facts) -> Iterator[str]:
    """No production profile refuses what a pod is told."""
    maps = {
        each["metadata"]["name"]: each.get("data", {}) for each in of_kind(documents, "ConfigMap")
    }
    for document in of_kind(documents, "Deployment", "Job"):
        for container in containers(document):
            environment = _told(container, maps)
            for fault in _refusals(container, environment):
                yield f"{named(document)} does not start: {fault}."
            yield from _unmounted(document, container, environment)


def _told(container: Document, maps: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in container.get("envFrom", []):
        found |= maps.get(each.get("configMapRef", {}).get("name", ""), {})
    for each in container.get("env", []):
        source = each.get("valueFrom", {})
        if "secretKeyRef" in source:
            key = source["secretKeyRef"]["key"]
            found[each["name"]] = next(
                (value for end, value in STAND_INS.items() if key.endswith(end)), "x"
            )
        elif "configMapKeyRef" in source:
            at = source["configMapKeyRef"]
            found[each["name"]] = maps.get(at["name"], {}).get(at["key"], "")
        else:
            found[each["name"]] = each.get("value", "")
    return found


def _refusals(container: Document, environment: Mapping[str, str]) -> list[str]:
    arguments = container.get("args", [])
    if container.get("command") == MIGRATIONS:
        try:
            return unsafe_urls(arguments, environment)
        except KeyError as error:
            return [f"{error.args[0]} is missing"]
    module, _, name = (arguments or [""])[0].partition(":")
    with _only(environment):
        try:
            made = getattr(importlib.import_module(module), name)()
        except ValidationError as error:
            return [f"{'.'.join(map(str, e['loc']))} ({e['type']})" for e in error.errors()]
        except (ImportError, ValueError, AttributeError):
            return ["it is no service"]
        return made.unsafe() if isinstance(made, Service) else ["it is no service"]


def _unmounted(
    document: Document, container: Document, environment: Mapping[str, str]
) -> Iterator[str]:
    """A worker's files for the broker are where its settings say."""
    if (
        "--role=worker" not in container.get("args", [])
        or environment.get("CLINICBUS_BUS") != "kafka"
    ):
        return
    mounted = tuple(f"{each['mountPath']}/" for each in container.get("volumeMounts", []))
    for part in ("CA", "CERT", "KEY"):
        name = f"CLINICBUS_KAFKA_{part}_FILE"
        if not environment.get(name, "").startswith(mounted):
            yield f"{named(document)} has not the file of {name}."


@contextmanager
def _only(environment: Mapping[str, str]) -> Iterator[None]:
    """Settings are read from the environment of the process: for a moment it is this one."""
    kept = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
