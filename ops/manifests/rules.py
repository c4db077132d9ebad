"""What must hold of the rendered manifests: documents in, one sentence for each fault out.

The schema says whether a document is well formed; these say whether it is ours as it should be.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ops.manifests.documents import (
    COMPONENT,
    NAME,
    Document,
    Facts,
    Rule,
    containers,
    named,
    of_kind,
    pod_labels,
    pod_of,
)
from ops.manifests.kustomization import name_and_end
from ops.manifests.links import references, secrets_apart, selected
from ops.manifests.measured import measured
from ops.manifests.started import starts

ROLES = ("api", "worker")
POSTGRES_CA = "/etc/clinicbus/postgres"
GRACE_SECONDS_MIN = 30

POD_SECURITY = {
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
PROBES = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
CLAIMED = {
    "cpu of requests": ("requests", "cpu"),
    "memory of requests": ("requests", "memory"),
    "memory of limits": ("limits", "memory"),
}


def unique(documents: list[Document], _: Facts) -> Iterator[str]:
    """No two documents of a kind have one name."""
    counted = Counter(named(each) for each in documents)
    yield from (f"{name} stands {n} times." for name, n in counted.items() if n > 1)


def every_service(documents: list[Document], facts: Facts) -> Iterator[str]:
    """Each (service, role) is a Deployment that starts it, on its port, for all to reach."""
    found = {each["metadata"]["name"]: each for each in of_kind(documents, "Deployment")}
    wanted = {f"{s}-{r}": (s, r) for s in facts.ports for r in ROLES}
    for name in sorted(found.keys() - wanted.keys()):
        yield f"Deployment {name} is no service and role of ours."
    for name, (service, role) in wanted.items():
        if name not in found:
            yield f"Deployment {name} is missing."
            continue
        port = facts.ports[service]
        labels = {NAME: service, COMPONENT: role}
        container = containers(found[name])[0]
        told = [f"services.{service}.app:service", f"--role={role}"]
        if container.get("args") != [*told, "--host=0.0.0.0", f"--port={port}"]:
            yield f"Deployment {name} does not start {service} as {role} on 0.0.0.0:{port}."
        if container.get("ports") != [{"name": "http", "containerPort": port}]:
            yield f"Deployment {name} does not name its port {port} http."
        if not labels.items() <= pod_labels(found[name]).items():
            yield f"Deployment {name} has pods that are not labelled {service}, {role}."


def well_kept(documents: list[Document], _: Facts) -> Iterator[str]:
    """Every pod is confined and bounded; every service's is probed and ends gracefully."""
    for document in of_kind(documents, "Deployment", "Job"):
        who, pod = named(document), pod_of(document)
        yield from _confined(who, pod, containers(document))
        if document["kind"] == "Job":
            continue
        if pod.get("terminationGracePeriodSeconds", 0) < GRACE_SECONDS_MIN:
            yield f"{who} is killed before {GRACE_SECONDS_MIN} s."
        if not pod.get("topologySpreadConstraints"):
            yield f"{who} may have all its pods on one node."
        for container in containers(document):
            for probe, path in PROBES.items():
                asked = container.get(probe, {}).get("httpGet", {})
                if asked != {"path": path, "port": "http"}:
                    yield f"{who} has no {probe} on {path}."


def _confined(who: str, pod: Document, inside: list[Document]) -> Iterator[str]:
    if pod.get("automountServiceAccountToken") is not False:
        yield f"{who} mounts a token of the cluster."
    for key, value in POD_SECURITY.items():
        if pod.get("securityContext", {}).get(key) != value:
            yield f"{who} has not {key}: {json.dumps(value)} in its pod's securityContext."
    for container in inside:
        for key, value in CONTAINER_SECURITY.items():
            if container.get("securityContext", {}).get(key) != value:
                yield f"{who} has not {key}: {json.dumps(value)} in a container's securityContext."
        for words, (kind, of_what) in CLAIMED.items():
            if of_what not in container.get("resources", {}).get(kind, {}):
                yield f"{who} does not say the {words}."
        mounted = {each["mountPath"]: each["name"] for each in container.get("volumeMounts", [])}
        known = {each["name"]: each for each in pod.get("volumes", [])}
        if "emptyDir" not in known.get(mounted.get("/tmp", ""), {}):  # noqa: S108 - the pod's own
            yield f"{who} has no emptyDir at /tmp, and may write nowhere else."
        if POSTGRES_CA not in mounted:
            yield f"{who} has not the certificate of Postgres at {POSTGRES_CA}."


def default_deny(documents: list[Document], _: Facts) -> Iterator[str]:
    """There is a policy that selects every pod and lets nothing in or out."""
    wanted = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if not any(each["spec"] == wanted for each in of_kind(documents, "NetworkPolicy")):
        yield "No NetworkPolicy denies what the others do not allow."


def one_image(documents: list[Document], _: Facts) -> Iterator[str]:
    """All run one image, of a tag that names a release, or of a digest."""
    found = {c["image"] for d in of_kind(documents, "Deployment", "Job") for c in containers(d)}
    if len(found) > 1:
        yield f"More than one image runs: {', '.join(sorted(found))}."
    for image in sorted(found):
        if name_and_end(image)[1] in {"", ":latest"}:
            yield f"The image {image} names no release."


def settings(documents: list[Document], facts: Facts) -> Iterator[str]:
    """The shared settings are those of production, and lead to the Services that are here."""
    found = [
        d for d in of_kind(documents, "ConfigMap") if d["metadata"]["name"] == "clinicbus-settings"
    ]
    told: Mapping[str, Any] = found[0]["data"] if found else {}
    if told.get("CLINICBUS_PROFILE") != "production":
        yield "The settings are not those of the profile production."
    if not re.fullmatch(r"https://\S*[^\s/]", told.get("CLINICBUS_ISSUER", "")):
        yield "CLINICBUS_ISSUER is not an https address without a slash at its end."
    if told.get("PGSSLMODE") != "verify-full":
        yield "PGSSLMODE is not verify-full: anyone could answer as Postgres."
    if told.get("PGSSLROOTCERT") != f"{POSTGRES_CA}/ca.crt":
        yield f"PGSSLROOTCERT is not {POSTGRES_CA}/ca.crt."
    urls = {
        each["metadata"]["name"]: f"http://{each['metadata']['name']}:{port['port']}"
        for each in of_kind(documents, "Service")
        for port in each["spec"]["ports"]
    }
    try:
        same = json.loads(told.get("CLINICBUS_URLS", "")) == urls
    except ValueError:
        same = False
    if not same or urls.keys() != facts.ports.keys():
        yield "CLINICBUS_URLS does not lead to the Services."


def topics(documents: list[Document], facts: Facts) -> Iterator[str]:
    """Each topic of the contracts is made, with its partitions for life, and kept for ever."""
    made = {each["spec"]["topicName"]: each["spec"] for each in of_kind(documents, "KafkaTopic")}
    for name in sorted(made.keys() ^ facts.topics.keys()):
        yield f"KafkaTopic {name} is {'not in the contracts' if name in made else 'missing'}."
    for name in sorted(made.keys() & facts.topics.keys()):
        config = made[name].get("config", {})
        if made[name].get("partitions") != facts.topics[name]:
            yield f"KafkaTopic {name} has not {facts.topics[name]} partitions."
        if made[name].get("replicas", 0) <= config.get("min.insync.replicas", 1):
            yield f"KafkaTopic {name} stands still when one broker does."
        if (config.get("retention.ms"), config.get("cleanup.policy")) != (-1, "delete"):
            yield f"KafkaTopic {name} is not kept for ever."


FOR_SERVICES: tuple[Rule, ...] = (
    unique,
    every_service,
    well_kept,
    selected,
    references,
    secrets_apart,
    default_deny,
    one_image,
    settings,
    starts,
)
FOR_DATA: tuple[Rule, ...] = (unique, topics)
FOR_MONITORING: tuple[Rule, ...] = (unique, measured)
