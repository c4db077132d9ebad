"""What documents refer to: the pods they select, the settings and secrets they need."""

from collections.abc import Iterator, Mapping

from ops.manifests.documents import (
    COMPONENT,
    NAME,
    Document,
    Facts,
    containers,
    named,
    of_kind,
    pod_labels,
    pod_of,
)

Reference = tuple[str, str, str | None]
"""Kind, name, and the key in it, or None where all of it is meant."""

FROM = {
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
}


def selected(documents: list[Document], facts: Facts) -> Iterator[str]:
    """Deployments, Services and budgets select what they are meant to."""
    deployments = of_kind(documents, "Deployment")
    for each in deployments:
        if not _within(each["spec"]["selector"], pod_labels(each)):
            yield f"{named(each)} does not select its own pods."
    for each in of_kind(documents, "Service"):
        selector = {"matchLabels": each["spec"].get("selector", {})}
        chosen = [d for d in deployments if _within(selector, pod_labels(d))]
        aims = {port.get("targetPort", port["port"]) for port in each["spec"]["ports"]}
        if len(chosen) != 1:
            yield f"{named(each)} selects {len(chosen)} Deployments."
        elif aims - {port.get("name") for port in containers(chosen[0])[0].get("ports", [])}:
            yield f"{named(each)} aims at a port that {named(chosen[0])} does not have."
    for service in facts.ports.keys() - {
        s["metadata"]["name"] for s in of_kind(documents, "Service")
    }:
        yield f"Service {service} is missing."
    budgets = of_kind(documents, "PodDisruptionBudget")
    for each in deployments:
        n = sum(_within(b["spec"].get("selector", {}), pod_labels(each)) for b in budgets)
        if n != 1:
            yield f"{named(each)} has {n} PodDisruptionBudgets."


def _within(selector: Document, labels: Mapping[str, str]) -> bool:
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return bool(wanted) and wanted.items() <= labels.items()


def references(documents: list[Document], facts: Facts) -> Iterator[str]:
    """What a pod refers to is here, or stands in the README's list of what the operator makes."""
    here: set[Reference] = {(each["kind"], each["metadata"]["name"], None) for each in documents}
    here |= {
        ("ConfigMap", each["metadata"]["name"], key)
        for each in of_kind(documents, "ConfigMap")
        for key in each.get("data", {})
    }
    for document in of_kind(documents, "Deployment", "Job"):
        for kind, name, key in _needed(document):
            if (kind, name, key) not in here | facts.given:
                what = f"{kind} {name}" + (f", key {key}" if key else "")
                yield f"{named(document)} needs {what}, which nothing makes or documents."


def _needed(document: Document) -> Iterator[Reference]:
    pod = pod_of(document)
    yield "ServiceAccount", pod.get("serviceAccountName", "default"), None
    for container in containers(document):
        for each in container.get("envFrom", []):
            for by in FROM.keys() & each.keys():
                yield FROM[by], each[by]["name"], None
        for each in container.get("env", []):
            source = each.get("valueFrom", {})
            for by in FROM.keys() & source.keys():
                yield FROM[by], source[by]["name"], source[by]["key"]
    for volume in pod.get("volumes", []):
        yield from _needed_by(volume)


def _needed_by(volume: Document) -> Iterator[Reference]:
    if "persistentVolumeClaim" in volume:
        yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], None
    for kind, by, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
        if by in volume:
            for item in volume[by].get("items", [{}]):
                yield kind, volume[by][name], item.get("key")


def secrets_apart(documents: list[Document], _: Facts) -> Iterator[str]:
    """Owner URLs are the migrations' alone, worker and bus URLs the worker's, and each its own."""
    for document in of_kind(documents, "Deployment", "Job"):
        labels = pod_labels(document)
        role, own = labels.get(COMPONENT), f"CLINICBUS_{labels.get(NAME, '').upper()}_"
        for variable in (e["name"] for c in containers(document) for e in c.get("env", [])):
            if variable.endswith("_OWNER_URL"):
                right = document["kind"] == "Job"
            elif variable.endswith(("_WORKER_URL", "_BUS_URL")):
                right = role == "worker" and variable.startswith(own)
            else:
                right = variable == f"{own}APP_URL" or not variable.endswith("_URL")
            if not right:
                yield f"{named(document)} is given {variable}, which is not for it."
