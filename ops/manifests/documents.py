"""A document of the manifests, and what the rules read of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the code and deploy/README.md say. ports: of each service. given: (kind, name, key) of
    what the operator makes. topics: name to number of partitions."""

    ports: Mapping[str, int]
    given: frozenset[tuple[str, str, str]]
    topics: Mapping[str, int]


Rule = Callable[[list[Document], Facts], Iterator[str]]
"""Documents in, one sentence for each fault out."""


def named(document: Document) -> str:
    """How a fault names a document."""
    return f"{document['kind']} {document['metadata']['name']}"


def of_kind(documents: Iterable[Document], *kinds: str) -> list[Document]:
    """The documents of these kinds."""
    return [each for each in documents if each["kind"] in kinds]


def pod_of(document: Document) -> Document:
    """The pod's spec of a Deployment or Job."""
    found: Document = document["spec"]["template"]["spec"]
    return found


def pod_labels(document: Document) -> Mapping[str, str]:
    """The labels of a Deployment's or Job's pods."""
    found: Mapping[str, str] = document["spec"]["template"].get("metadata", {}).get("labels", {})
    return found


def containers(document: Document) -> list[Document]:
    """The containers of a document's pods, those that run first included."""
    pod = document.get("spec", {}).get("template", {}).get("spec", {})
    return [*pod.get("initContainers", []), *pod.get("containers", [])]
