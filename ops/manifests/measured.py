"""What the monitoring's manifests measure and scale is what there is."""

import re
from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

from ops.manifests.documents import Document, Facts, named, of_kind
from shared.bus import metrics as bus_metrics
from shared.bus import watch
from shared.contracts.envelope import PARTITIONS
from shared.web import metrics

_METRIC = re.compile(r"\bclinicbus_\w+")


def exported() -> frozenset[str]:
    """The names of the series that a service offers about itself."""
    offered = (*vars(bus_metrics).values(), *vars(metrics).values())
    counted = [each for each in offered if isinstance(each, Counter | Gauge | Histogram)]
    families = [family for each in counted for family in each.collect()]
    made = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
    return frozenset(made | watch.GAUGES.keys())


def measured(documents: list[Document], facts: Facts) -> Iterator[str]:
    """Every metric that is asked for is exported, and each worker is scaled by its own."""
    known = exported()
    for document, expression in _expressions(documents):
        for name in sorted(set(_METRIC.findall(expression)) - known):
            yield f"{named(document)} asks for {name}, which nobody exports."
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each for each in of_kind(documents, "ScaledObject")
    }
    for name in sorted(scaled.keys() ^ {f"{service}-worker" for service in facts.ports}):
        yield f"{name} is {'no worker of ours' if name in scaled else 'not scaled'}."
    for name, document in scaled.items():
        service = f'service="{name.removesuffix("-worker")}"'
        if not all(service in t["metadata"]["query"] for t in document["spec"]["triggers"]):
            yield f"{named(document)} is scaled by another service's events."
        if document["spec"]["maxReplicaCount"] > PARTITIONS:
            yield f"{named(document)} has more workers than a topic has partitions."


def _expressions(documents: list[Document]) -> Iterator[tuple[Document, str]]:
    for document in of_kind(documents, "PrometheusRule"):
        for group in document["spec"]["groups"]:
            for rule in group["rules"]:
                yield document, rule["expr"]
    for document in of_kind(documents, "ScaledObject"):
        for trigger in document["spec"]["triggers"]:
            yield document, trigger["metadata"]["query"]
