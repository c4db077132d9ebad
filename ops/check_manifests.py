"""Checks deploy/k8s without a cluster: `python -m ops.check_manifests`.

Renders every Kustomize folder, validates each document against the schemas of Kubernetes, and
applies the rules of `ops.manifests.rules`. One line and 0 when all holds; else a sentence a fault
and 1.
"""

import json
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import kubernetes_validate

from ops.manifests import kustomization, rules
from ops.manifests.documents import Document, Facts, named
from ops.manifests.kustomization import CannotRender
from ops.ports import SERVICES, Ports
from shared.contracts import catalogue
from shared.contracts.envelope import PARTITIONS

ROOT = Path(__file__).resolve().parents[1] / "deploy"
KUBERNETES = "1.31"
"""The oldest that takes them: `preStop.sleep` is on by default since 1.30."""
WITHOUT_SCHEMA = (
    "postgresql.cnpg.io/",
    "kafka.strimzi.io/",
    "monitoring.coreos.com/",
    "keda.sh/",
)
"""API groups of operators: their definitions are not part of Kubernetes."""
DATA = "data"
"""The folder that holds no service of ours, and the topics."""
RULES = {DATA: rules.FOR_DATA, "monitoring": rules.FOR_MONITORING}
"""Of the folders that hold no services."""

_GIVEN = re.compile(r"<!-- made by you -->\n(.*?)<!-- end -->", re.DOTALL)
_ROW = re.compile(r"\| (Secret|ConfigMap) \| `([^`]+)` \| ([^|]+) \|")


@dataclass(slots=True)
class Found:
    """What was looked at, and what is wrong."""

    folders: int
    documents: int
    without_schema: int
    compared: bool
    faults: list[str]

    def sentence(self) -> str:
        """What was checked, when all of it holds."""
        same = (
            "the same as kubectl renders"
            if self.compared
            else "not compared with kubectl, which is not on the PATH"
        )
        return (
            f"deploy/k8s: {self.folders} folders, {self.documents} documents hold"
            f" (schemas of Kubernetes {KUBERNETES}, which has none for {self.without_schema} of"
            f" other operators; {same})."
        )


def given_by_operators(readme: str) -> frozenset[tuple[str, str, str]]:
    """(kind, name, key) of all that the README's table says an operator makes."""
    found = _GIVEN.search(readme)
    rows = _ROW.findall(found[1]) if found else []
    return frozenset(
        (kind, name, key) for kind, name, keys in rows for key in re.findall(r"`([^`]+)`", keys)
    )


def facts(root: Path = ROOT) -> Facts:
    """What the code and the README say."""
    ports = Ports.from_base().of
    return Facts(
        ports={service: ports[service] for service in SERVICES},
        given=given_by_operators((root / "README.md").read_text()),
        topics=dict.fromkeys(catalogue.all_topics(), PARTITIONS),
    )


def faults_of(documents: list[Document], known: Facts, folder: str = "") -> list[str]:
    """What is wrong with the rendered documents of a folder of this name, schema and rules."""
    found = [fault for text in _sorted(documents) for fault in _against_schema(text)]
    if found:
        return found  # the rules read what the schema requires to be there
    applied = RULES.get(folder, rules.FOR_SERVICES)
    return [fault for rule in applied for fault in rule(documents, known)]


@cache
def _against_schema(text: str) -> tuple[str, ...]:
    # By its text: most documents of an overlay are those of its base, and a look at one takes long.
    document: Document = json.loads(text)
    if has_no_schema(document):
        return ()
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        at = ".".join(str(part) for part in error.path) or "its top"
        return (f"{named(document)}: at {at}: {error.message}.",)
    except kubernetes_validate.SchemaNotFoundError:
        return (f"{named(document)}: Kubernetes {KUBERNETES} has no {document['apiVersion']}.",)
    return ()


def has_no_schema(document: Document) -> bool:
    """Whether it is of an operator's kind, whose schema is not here."""
    return bool(document["apiVersion"].startswith(WITHOUT_SCHEMA))


def _sorted(documents: list[Document]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in documents)


def check(root: Path = ROOT) -> Found:
    """Render and check every Kustomize folder below `root`/k8s."""
    known = facts(root)
    found = Found(0, 0, 0, compared=True, faults=[])
    for path in sorted((root / "k8s").rglob(kustomization.FILE)):
        folder = path.parent
        name = str(folder.relative_to(root))
        found.folders += 1
        try:
            documents = kustomization.render(folder)
            theirs = kustomization.by_kubectl(folder)
        except CannotRender as error:
            found.faults.append(f"{name}: {error}.")
            continue
        found.documents += len(documents)
        found.without_schema += sum(map(has_no_schema, documents))
        if theirs is None:
            found.compared = False
        elif _sorted(theirs) != _sorted(documents):
            found.faults.append(f"{name}: kubectl renders something else.")
        wrong = faults_of(documents, known, folder.name)
        found.faults += [f"{name}: {fault}" for fault in wrong]
    if not found.folders:
        found.faults.append("There is no Kustomize folder below deploy/k8s.")
    return found


def main() -> int:
    """Print what holds, or what does not."""
    found = check()
    print("\n".join(found.faults) or found.sentence())
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
