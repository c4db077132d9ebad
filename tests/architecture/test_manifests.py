"""deploy/: the manifests hold, each rule catches its fault, the image has all that runs in it."""

import asyncio
import copy
import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest

from ops import check_manifests
from ops.manifests import kustomization
from ops.manifests.documents import Document, containers, of_kind, pod_labels, pod_of
from shared.db.database import Database
from shared.db.provision import SERVICES

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "deploy" / "k8s" / "base"
DATA = ROOT / "deploy" / "k8s" / "data"
MONITORING = ROOT / "deploy" / "k8s" / "monitoring"
FACTS = check_manifests.facts()


@pytest.fixture(scope="module")
def rendered() -> list[Document]:
    return kustomization.render(BASE)


@pytest.fixture
def base(rendered: list[Document]) -> list[Document]:
    return copy.deepcopy(rendered)


def one(documents: list[Document], kind: str, name: str) -> Any:
    (found,) = [d for d in of_kind(documents, kind) if d["metadata"]["name"] == name]
    return found


def test_the_manifests_hold() -> None:
    found = check_manifests.check()
    assert found.faults == []
    assert found.folders == 4
    assert found.documents > 100


def test_the_command_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_manifests.main() == 0
    assert re.fullmatch(r"deploy/k8s: 4 folders, \d+ documents hold .*\n", capsys.readouterr().out)


# Faults: what is changed in the documents, and a part of what must be said of it.

Change = Callable[[list[Document]], object]


def api(documents: list[Document]) -> Any:
    return one(documents, "Deployment", "appointments-api")


def worker(documents: list[Document]) -> Any:
    return one(documents, "Deployment", "appointments-worker")


def first(document: Document) -> Document:
    return containers(document)[0]


def unmounted(container: Document, path: str) -> None:
    """Take away what a container has at a path."""
    mounts = container["volumeMounts"]
    mounts.remove(next(each for each in mounts if each["mountPath"] == path))


def told(documents: list[Document]) -> dict[str, str]:
    found: dict[str, str] = one(documents, "ConfigMap", "clinicbus-settings")["data"]
    return found


def without(documents: list[Document], kind: str, name: str) -> None:
    documents.remove(one(documents, kind, name))


FAULTS: dict[str, tuple[Change, str]] = {
    "a broker in the clear": (
        lambda d: told(d).pop("CLINICBUS_KAFKA_SECURITY_PROTOCOL"),
        "Deployment appointments-worker does not start: CLINICBUS_KAFKA_SECURITY_PROTOCOL",
    ),
    "a database that nobody checks": (
        lambda d: told(d).update(PGSSLMODE="require"),
        "Deployment appointments-api does not start: CLINICBUS_APPOINTMENTS_APP_URL",
    ),
    "migrations over a database that nobody checks": (
        lambda d: told(d).pop("PGSSLMODE"),
        "Job migrate does not start: CLINICBUS_APPOINTMENTS_OWNER_URL",
    ),
    "everybody as proxy": (
        lambda d: told(d).update(CLINICBUS_TRUSTED_PROXIES="*"),
        "Deployment appointments-api does not start: CLINICBUS_TRUSTED_PROXIES: a wildcard.",
    ),
    "failpoints in one pod": (
        lambda d: first(worker(d))["env"].append({"name": "CLINICBUS_FAILPOINTS", "value": "a"}),
        "Deployment appointments-worker does not start: CLINICBUS_FAILPOINTS: failpoints.",
    ),
    "simulated cards": (
        lambda d: told(d).update(CLINICBUS_PAYMENTS_PROCESSOR="simulated"),
        "Deployment payments-api does not start: CLINICBUS_PAYMENTS_PROCESSOR",
    ),
    "a setting that cannot be read": (
        lambda d: told(d).update(CLINICBUS_LOG_LEVEL="LOUD"),
        "Deployment appointments-api does not start: log_level (literal_error).",
    ),
    "no service secret": (
        lambda d: first(api(d))["env"].pop(),
        "Deployment appointments-api does not start: CLINICBUS_SERVICE_SECRET: the default secret.",
    ),
    "no certificate of its own": (
        lambda d: unmounted(first(worker(d)), "/etc/clinicbus/kafka"),
        "Deployment appointments-worker has not the file of CLINICBUS_KAFKA_CERT_FILE.",
    ),
    "a number as text": (
        lambda d: api(d)["spec"].update(replicas="2"),
        "Deployment appointments-api: at spec.replicas: '2' is not of type",
    ),
    "a misspelt field": (
        lambda d: api(d)["spec"].update(replicass=2),
        "Additional properties are not allowed ('replicass' was unexpected)",
    ),
    "an unknown kind": (
        lambda d: api(d).update(apiVersion="apps/v1beta1"),
        "Kubernetes 1.31 has no apps/v1beta1.",
    ),
    "two of a name": (
        lambda d: d.append(copy.deepcopy(one(d, "Service", "patients"))),
        "Service patients stands 2 times.",
    ),
    "a service without its worker": (
        lambda d: without(d, "Deployment", "payments-worker"),
        "Deployment payments-worker is missing.",
    ),
    "a stranger": (
        lambda d: api(d)["metadata"].update(name="office-api"),
        "Deployment office-api is no service and role of ours.",
    ),
    "the wrong role": (
        lambda d: first(worker(d))["args"].__setitem__(1, "--role=all"),
        "Deployment appointments-worker does not start appointments as worker on 0.0.0.0:8101.",
    ),
    "listening on loopback": (
        lambda d: first(api(d))["args"].remove("--host=0.0.0.0"),
        "Deployment appointments-api does not start appointments as api",
    ),
    "another port": (
        lambda d: first(api(d))["ports"][0].update(containerPort=8102),
        "Deployment appointments-api does not name its port 8101 http.",
    ),
    "no readiness": (
        lambda d: first(api(d)).pop("readinessProbe"),
        "Deployment appointments-api has no readinessProbe on /readyz.",
    ),
    "liveness that asks the database": (
        lambda d: first(api(d))["livenessProbe"]["httpGet"].update(path="/readyz"),
        "Deployment appointments-api has no livenessProbe on /livez.",
    ),
    "no startup probe": (
        lambda d: first(api(d)).pop("startupProbe"),
        "Deployment appointments-api has no startupProbe on /livez.",
    ),
    "no limit": (
        lambda d: first(worker(d))["resources"].pop("limits"),
        "Deployment appointments-worker does not say the memory of limits.",
    ),
    "no request": (
        lambda d: first(worker(d))["resources"]["requests"].pop("memory"),
        "Deployment appointments-worker does not say the memory of requests.",
    ),
    "root allowed": (
        lambda d: pod_of(api(d))["securityContext"].pop("runAsNonRoot"),
        "Deployment appointments-api has not runAsNonRoot: true",
    ),
    "no seccomp": (
        lambda d: pod_of(api(d))["securityContext"].pop("seccompProfile"),
        "Deployment appointments-api has not seccompProfile",
    ),
    "a writable root": (
        lambda d: first(api(d))["securityContext"].update(readOnlyRootFilesystem=False),
        "Deployment appointments-api has not readOnlyRootFilesystem: true",
    ),
    "a capability": (
        lambda d: first(api(d))["securityContext"]["capabilities"].update(add=["NET_RAW"]),
        "Deployment appointments-api has not capabilities",
    ),
    "a Job that may gain privileges": (
        lambda d: first(one(d, "Job", "migrate"))["securityContext"].pop(
            "allowPrivilegeEscalation"
        ),
        "Job migrate has not allowPrivilegeEscalation: false",
    ),
    "a second, open container": (
        lambda d: pod_of(api(d))["containers"].append({"name": "x", "image": "clinicbus:0.1.0"}),
        "Deployment appointments-api has not readOnlyRootFilesystem: true",
    ),
    "a token of the cluster": (
        lambda d: pod_of(api(d)).pop("automountServiceAccountToken"),
        "Deployment appointments-api mounts a token of the cluster.",
    ),
    "nowhere to write": (
        lambda d: first(api(d))["volumeMounts"].pop(0),
        "Deployment appointments-api has no emptyDir at /tmp",
    ),
    "no certificate": (
        lambda d: first(api(d))["volumeMounts"].pop(1),
        "Deployment appointments-api has not the certificate of Postgres",
    ),
    "killed early": (
        lambda d: pod_of(worker(d)).update(terminationGracePeriodSeconds=29),
        "Deployment appointments-worker is killed before 30 s.",
    ),
    "all on one node": (
        lambda d: pod_of(worker(d)).pop("topologySpreadConstraints"),
        "Deployment appointments-worker may have all its pods on one node.",
    ),
    "a Service that selects nobody": (
        lambda d: one(d, "Service", "patients")["spec"]["selector"].update({"a": "b"}),
        "Service patients selects 0 Deployments.",
    ),
    "a Service that selects both roles": (
        lambda d: one(d, "Service", "patients")["spec"].update(
            selector={"app.kubernetes.io/name": "patients"}
        ),
        "Service patients selects 2 Deployments.",
    ),
    "a Service without a selector": (
        lambda d: one(d, "Service", "patients")["spec"].pop("selector"),
        "Service patients selects 0 Deployments.",
    ),
    "a Service that aims beside": (
        lambda d: one(d, "Service", "patients")["spec"]["ports"][0].update(targetPort="web"),
        "Service patients aims at a port that Deployment patients-api does not have.",
    ),
    "no Service": (
        lambda d: without(d, "Service", "patients"),
        "Service patients is missing.",
    ),
    "a Deployment that does not know its pods": (
        lambda d: api(d)["spec"]["selector"]["matchLabels"].update({"a": "b"}),
        "Deployment appointments-api does not select its own pods.",
    ),
    "no budget": (
        lambda d: without(d, "PodDisruptionBudget", "documents-api"),
        "Deployment documents-api has 0 PodDisruptionBudgets.",
    ),
    "a Secret that nobody makes": (
        lambda d: first(api(d))["env"][0]["valueFrom"]["secretKeyRef"].update(name="other"),
        "Deployment appointments-api needs Secret other, key app-url, which nothing makes",
    ),
    "a key that nobody makes": (
        lambda d: first(api(d))["env"][0]["valueFrom"]["secretKeyRef"].update(key="url"),
        "Deployment appointments-api needs Secret clinicbus-appointments, key url",
    ),
    "settings that are not there": (
        lambda d: without(d, "ConfigMap", "clinicbus-settings"),
        "Job migrate needs ConfigMap clinicbus-settings",
    ),
    "a certificate of another name": (
        lambda d: pod_of(api(d))["volumes"][1]["configMap"].update(name="ca"),
        "Deployment appointments-api needs ConfigMap ca, key ca.crt",
    ),
    "files that are not there": (
        lambda d: without(d, "PersistentVolumeClaim", "documents-files"),
        "Deployment documents-worker needs PersistentVolumeClaim documents-files",
    ),
    "an account that is not there": (
        lambda d: without(d, "ServiceAccount", "patients"),
        "Deployment patients-api needs ServiceAccount patients",
    ),
    "an api that may be the worker": (
        lambda d: first(api(d))["env"].append(first(worker(d))["env"][1]),
        "Deployment appointments-api is given CLINICBUS_APPOINTMENTS_WORKER_URL",
    ),
    "a worker that may be the owner": (
        lambda d: first(worker(d))["env"].append(first(one(d, "Job", "migrate"))["env"][0]),
        "Deployment appointments-worker is given CLINICBUS_APPOINTMENTS_OWNER_URL",
    ),
    "another service's data": (
        lambda d: first(api(d))["env"].append(
            first(one(d, "Deployment", "patients-api"))["env"][0]
        ),
        "Deployment appointments-api is given CLINICBUS_PATIENTS_APP_URL",
    ),
    "an open network": (
        lambda d: without(d, "NetworkPolicy", "nothing"),
        "No NetworkPolicy denies what the others do not allow.",
    ),
    "latest": (
        lambda d: [
            first(x).update(image="clinicbus:latest") for x in of_kind(d, "Deployment", "Job")
        ],
        "The image clinicbus:latest names no release.",
    ),
    "no tag behind a port": (
        lambda d: [
            first(x).update(image="registry.example:5000/clinicbus")
            for x in of_kind(d, "Deployment", "Job")
        ],
        "The image registry.example:5000/clinicbus names no release.",
    ),
    "two images": (
        lambda d: first(api(d)).update(image="clinicbus:0.2.0"),
        "More than one image runs: clinicbus:0.1.0, clinicbus:0.2.0.",
    ),
    "the local profile": (
        lambda d: told(d).update(CLINICBUS_PROFILE="local"),
        "The settings are not those of the profile production.",
    ),
    "an issuer in the clear": (
        lambda d: told(d).update(CLINICBUS_ISSUER="http://issuer.example"),
        "CLINICBUS_ISSUER is not an https address",
    ),
    "an issuer with a slash": (
        lambda d: told(d).update(CLINICBUS_ISSUER="https://issuer.example/"),
        "CLINICBUS_ISSUER is not an https address without a slash at its end.",
    ),
    "any certificate": (
        lambda d: told(d).update(PGSSLMODE="require"),
        "PGSSLMODE is not verify-full",
    ),
    "a certificate elsewhere": (
        lambda d: told(d).pop("PGSSLROOTCERT"),
        "PGSSLROOTCERT is not /etc/clinicbus/postgres/ca.crt.",
    ),
    "an address that leads nowhere": (
        lambda d: told(d).update(CLINICBUS_URLS=told(d)["CLINICBUS_URLS"].replace("8102", "8112")),
        "CLINICBUS_URLS does not lead to the Services.",
    ),
    "addresses that are not JSON": (
        lambda d: told(d).update(CLINICBUS_URLS="{"),
        "CLINICBUS_URLS does not lead to the Services.",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_said_in_a_sentence(base: list[Document], name: str) -> None:
    assert check_manifests.faults_of(base, FACTS) == []
    change, sentence = FAULTS[name]
    change(base)
    assert sentence in "\n".join(check_manifests.faults_of(base, FACTS))


TOPIC = "clinicbus.patients.patient.v1"
TOPIC_FAULTS: dict[str, tuple[Callable[[list[Document], Any], object], str]] = {
    "missing": (lambda d, t: d.remove(t), f"KafkaTopic {TOPIC} is missing."),
    "unknown": (
        lambda _, t: t["spec"].update(topicName="clinicbus.office.task.v1"),
        "KafkaTopic clinicbus.office.task.v1 is not in the contracts.",
    ),
    "fewer partitions": (
        lambda _, t: t["spec"].update(partitions=6),
        f"KafkaTopic {TOPIC} has not 12 partitions.",
    ),
    "no spare replica": (
        lambda _, t: t["spec"].update(replicas=2),
        f"KafkaTopic {TOPIC} stands still when one broker does.",
    ),
    "kept a week": (
        lambda _, t: t["spec"]["config"].pop("retention.ms"),
        f"KafkaTopic {TOPIC} is not kept for ever.",
    ),
}


@pytest.mark.parametrize("name", TOPIC_FAULTS)
def test_a_fault_of_a_topic_is_said(name: str) -> None:
    documents = kustomization.render(DATA)
    assert check_manifests.faults_of(documents, FACTS, "data") == []
    change, sentence = TOPIC_FAULTS[name]
    change(documents, one(documents, "KafkaTopic", TOPIC))
    assert sentence in check_manifests.faults_of(documents, FACTS, "data")


def rule(documents: list[Document]) -> Any:
    return one(documents, "PrometheusRule", "clinicbus-bus")["spec"]["groups"][0]["rules"][0]


def scaled(documents: list[Document]) -> Any:
    return one(documents, "ScaledObject", "payments-worker")


MONITORING_FAULTS: dict[str, tuple[Change, str]] = {
    "an alert on what nobody exports": (
        lambda d: rule(d).update(expr="max(clinicbus_outbox_oldest_unsent) > 30"),
        "PrometheusRule clinicbus-bus asks for clinicbus_outbox_oldest_unsent, which nobody"
        " exports.",
    ),
    "scaling by what nobody exports": (
        lambda d: scaled(d)["spec"]["triggers"][0]["metadata"].update(
            query='max(clinicbus_lag{service="payments"})'
        ),
        "ScaledObject payments-worker asks for clinicbus_lag, which nobody exports.",
    ),
    "scaling by another's events": (
        lambda d: scaled(d)["spec"]["triggers"][0]["metadata"].update(
            query='max(clinicbus_consumer_oldest_unapplied_seconds{service="patients"})'
        ),
        "ScaledObject payments-worker is scaled by another service's events.",
    ),
    "a worker that is not scaled": (
        lambda d: without(d, "ScaledObject", "documents-worker"),
        "documents-worker is not scaled.",
    ),
    "more workers than partitions": (
        lambda d: scaled(d)["spec"].update(maxReplicaCount=13),
        "ScaledObject payments-worker has more workers than a topic has partitions.",
    ),
}


@pytest.mark.parametrize("name", MONITORING_FAULTS)
def test_a_fault_of_the_monitoring_is_said(name: str) -> None:
    documents = kustomization.render(MONITORING)
    assert check_manifests.faults_of(documents, FACTS, "monitoring") == []
    change, sentence = MONITORING_FAULTS[name]
    change(documents)
    assert sentence in check_manifests.faults_of(documents, FACTS, "monitoring")


# Rendering.


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("target"))
    return tmp_path / "deploy"


def change_file(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("base/files.yaml", "kind:", "kind: X\nkind:", "kind stands twice"),
        ("base/files.yaml", "metadata:", "\tmetadata:", "cannot start any token"),
        ("base/kustomization.yaml", "files.yaml", "filez.yaml", "No such file"),
        ("base/kustomization.yaml", "namespace:", "namePrefix: a\nnamespace:", "is not rendered"),
        ("base/kustomization.yaml", "documents-.*", "office-.*", "it is aimed at nothing"),
        ("base/patches/every-api.yaml", "/spec/replicas", "/spek/replicas", "KeyError('spek')"),
        ("base/patches/every-api.yaml", "op: add", "op: test", "test is not rendered here"),
        ("overlays/example/settings.yaml", "CLINICBUS_ISSUER", "ISSUER", "KeyError('ISSUER')"),
    ],
)
def test_what_cannot_be_rendered_is_a_fault(
    tree: Path, file: str, old: str, new: str, sentence: str
) -> None:
    change_file(tree / "k8s" / file, old, new)
    assert any(sentence in fault for fault in check_manifests.check(tree).faults)


def test_an_overlay_is_checked_as_the_base_is(tree: Path) -> None:
    overlay = tree / "k8s" / "overlays" / "example"
    change_file(overlay / "kustomization.yaml", "newTag: 0.1.0", "newTag: latest")
    (fault,) = check_manifests.check(tree).faults
    assert fault.startswith("k8s/overlays/example: The image registry.example/clinicbus:latest")


def test_what_the_readme_does_not_list_is_a_fault(tree: Path) -> None:
    change_file(tree / "README.md", "`app-url`, `worker-url`", "`worker-url`")
    assert any(
        "needs Secret clinicbus-appointments, key app-url" in fault
        for fault in check_manifests.check(tree).faults
    )


def test_a_digest_takes_the_place_of_a_tag(tree: Path) -> None:
    overlay = tree / "k8s" / "overlays" / "example"
    digest = f"sha256:{'0' * 64}"
    change_file(overlay / "kustomization.yaml", "newTag: 0.1.0", f"digest: {digest}")
    assert check_manifests.check(tree).faults == []
    found = {first(d)["image"] for d in of_kind(kustomization.render(overlay), "Deployment")}
    assert found == {f"registry.example/clinicbus@{digest}"}


def test_without_kubectl_nothing_is_compared() -> None:
    assert kustomization.by_kubectl(BASE, find=lambda _: None) is None


# Who may talk to whom.


def policies_of(documents: list[Document], pod: Document) -> set[str]:
    def selects(selector: dict[str, Any]) -> bool:
        labels = pod_labels(pod)
        return selector.get("matchLabels", {}).items() <= labels.items() and all(
            labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", [])
        )

    return {
        p["metadata"]["name"]
        for p in of_kind(documents, "NetworkPolicy")
        if selects(p["spec"]["podSelector"])
    }


def test_each_pod_reaches_what_it_needs_and_no_more(base: list[Document]) -> None:
    all_pods = {"nothing", "to-dns", "to-postgres"}
    apis = all_pods | {"apis-to-issuer", "apis-from-gateway", "all-from-monitoring"}
    workers = all_pods | {"workers-to-kafka", "all-from-monitoring"}
    errands = workers | {"errands-to-issuer", "errands-to-services"}
    found = {
        pod["metadata"]["name"]: policies_of(base, pod)
        for pod in of_kind(base, "Deployment", "Job")
    }
    assert found == {
        "migrate": all_pods,
        "appointments-api": apis | {"services-from-errands"},
        "appointments-worker": errands,
        "patients-api": apis | {"services-from-errands"},
        "patients-worker": workers,
        "eligibility-api": apis,
        "eligibility-worker": workers | {"eligibility-to-payer"},
        "payments-api": apis,
        "payments-worker": errands,
        "documents-api": apis,
        "documents-worker": errands,
    }


def test_the_broker_of_the_settings_is_the_one_that_workers_reach(base: list[Document]) -> None:
    host, _, port = told(base)["CLINICBUS_KAFKA"].partition(":")
    cluster, _, _ = host.removesuffix(".svc").replace("-kafka-bootstrap", "").partition(".")
    (rule,) = one(base, "NetworkPolicy", "workers-to-kafka")["spec"]["egress"]
    (peer,) = rule["to"]
    assert rule["ports"] == [{"protocol": "TCP", "port": int(port)}]
    assert peer["podSelector"]["matchLabels"] == {"strimzi.io/cluster": cluster}
    data = kustomization.render(DATA)
    (listener,) = one(data, "Kafka", cluster)["spec"]["kafka"]["listeners"]
    assert listener["port"] == int(port)
    assert (listener["tls"], listener["authentication"]) == (True, {"type": "tls"})
    assert told(base)["CLINICBUS_KAFKA_SECURITY_PROTOCOL"] == "SSL"


@pytest.mark.parametrize("service", SERVICES)
def test_the_broker_lets_each_service_do_what_it_must_and_no_more(service: str) -> None:
    heard = importlib.import_module(f"services.{service}.handlers").SUBSCRIPTIONS.topics
    spec = one(kustomization.render(DATA), "KafkaUser", service)["spec"]
    assert spec["authentication"] == {"type": "tls"}
    found = {
        (a["resource"]["type"], a["resource"]["name"], a["resource"].get("patternType", "literal"))
        : set(a["operations"])
        for a in spec["authorization"]["acls"]
    }  # fmt: skip
    own = f"clinicbus.{service}."
    assert found == {
        ("topic", own, "prefix"): {"Create", "Describe", "Read", "Write"},
        ("group", service, "literal"): {"Read"},
        **{
            ("topic", topic, "literal"): {"Create", "Describe", "Read"}
            for topic in heard
            if not topic.startswith(own)
        },
    }


# The image.


def sent_to_the_builder(folder: Path) -> None:
    """Copies what the Dockerfile copies of this checkout, less what .dockerignore keeps back."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    wanted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    dropped = {line.removeprefix("**/") for line in lines if line.startswith("**/")}
    apart = {ROOT / line for line in lines if line[:1].isalpha()}
    assert apart == {ROOT / "shared" / "testing"}

    def ignored(at: str, names: list[str]) -> set[str]:
        found = shutil.ignore_patterns(*dropped)(at, names)
        return set(found) | {name for name in names if Path(at) / name in apart}

    text = (ROOT / "deploy" / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (\S+)/ /opt/clinicbus/app/(\S+)/$", text, re.MULTILINE)
    assert {source for source, _ in copied} == wanted - {"requirements.lock"}
    for source, target in copied:
        shutil.copytree(ROOT / source, folder / target, ignore=ignored)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    sent_to_the_builder(folder / "app")
    return folder


def in_image(
    image: Path, *arguments: str, given: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    plain = {"PYTHONPATH": str(image / "app"), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=image,
        env=plain | (environment or {}),
        input=given,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


STARTING = """
import json, os, sys
from shared.web import run
from shared.web.service import app_of
for pod in json.load(sys.stdin):
    os.environ.update(pod["env"])
    target, role = pod["args"][0], pod["args"][1].removeprefix("--role=")
    app_of(run.load(target), role)
    print(target, role, sys.modules["shared"].__file__)
    for name in pod["env"]:
        del os.environ[name]
"""


def environment_of(documents: list[Document], deployment: Document, data: Path) -> dict[str, str]:
    """What a pod is told, with a URL of nowhere for each secret."""
    nowhere = "postgresql://nobody:none@127.0.0.1:9/none"
    own = {e["name"]: nowhere for e in first(deployment)["env"]}
    return told(documents) | own | {"CLINICBUS_DATA": str(data)}


def test_every_service_is_put_together_from_the_image_and_the_manifests(
    base: list[Document], image: Path, tmp_path: Path
) -> None:
    pods = [
        {"args": first(each)["args"], "env": environment_of(base, each, tmp_path)}
        for each in of_kind(base, "Deployment")
    ]
    done = in_image(image, "-c", STARTING, given=json.dumps(pods))
    assert done.returncode == 0, done.stderr[-2000:]
    place = str(image / "app" / "shared" / "__init__.py")
    assert done.stdout.splitlines() == [
        f"services.{service}.app:service {role} {place}"
        for service in SERVICES
        for role in ("api", "worker")
    ]


def test_the_image_does_what_the_job_asks(
    base: list[Document], image: Path, environment: dict[str, str]
) -> None:
    container = first(one(base, "Job", "migrate"))
    assert container["args"] == list(SERVICES)
    wanted = {e["name"] for e in container["env"]}
    assert wanted == {f"CLINICBUS_{s.upper()}_OWNER_URL" for s in SERVICES}
    urls = {name: environment[name] for name in wanted}
    done = in_image(image, *container["command"][1:], *container["args"], environment=urls)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_image_has_nothing_of_tests_or_data(image: Path) -> None:
    files = [p.relative_to(image / "app") for p in (image / "app").rglob("*") if p.is_file()]
    assert len(files) > 100
    assert {p.parts[0] for p in files} == {"shared", "services", "ops"}
    assert [str(p) for p in files if {"tests", "testing", "__pycache__"} & {*p.parts}] == []


# What the README tells people to run, and the settings that the driver must obey.


def test_the_readme_makes_just_the_secrets_that_it_lists(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "README.md").read_text()
    (block,) = re.findall(r"^   ```python\n(.*?)^   ```", text, re.DOTALL | re.MULTILINE)
    lines = [line.removeprefix("   ") for line in block.splitlines()]
    subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "SUPERUSER_PASSWORD": "secret"},
        check=True,
        timeout=60,
    )
    made = json.loads((tmp_path / "secrets.json").read_text())["items"]
    keys = {("Secret", s["metadata"]["name"], key) for s in made for key in s["stringData"]}
    (users,) = re.findall(r"for user in ([a-z ]+); do", text)
    ending = (
        'create secret generic "clinicbus-$user-kafka" --from-file=user.crt --from-file=user.key'
    )
    assert ending in text
    keys |= {
        ("Secret", f"clinicbus-{user}-kafka", f"user.{part}")
        for user in users.split()
        for part in ("crt", "key")
    }
    assert "create secret generic clinicbus-audit --from-file=audit-key/key.json" in text
    keys.add(("Secret", "clinicbus-audit", "key.json"))
    assert keys == {given for given in FACTS.given if given[0] == "Secret"}
    for each in made:
        assert check_manifests.faults_of([each], FACTS, "data")[0].startswith("KafkaTopic")
    prepared = json.loads((tmp_path / "prepare.json").read_text())
    assert prepared.keys() == {"superuser_url", "passwords"}
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0


async def test_the_driver_speaks_to_no_server_without_tls(
    base: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    ended = asyncio.Event()

    async def without_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readexactly(8))
        writer.write(b"N")  # "I do not speak TLS"
        asked.append(await reader.read())
        writer.close()
        await writer.wait_closed()
        ended.set()

    monkeypatch.setenv("PGSSLMODE", told(base)["PGSSLMODE"])
    monkeypatch.setenv("PGSSLROOTCERT", certifi.where())
    server = await asyncio.start_server(without_tls, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = Database.connect("x", f"postgresql://u:password@127.0.0.1:{port}/x", None)
    try:
        with pytest.raises(ConnectionError, match="rejected SSL upgrade"):
            async with database.raw("app"):
                pass
        await ended.wait()
    finally:
        await database.close()
        server.close()
        await server.wait_closed()
    assert asked == [bytes.fromhex("0000000804d2162f"), b""]  # SSLRequest, and not a byte more
