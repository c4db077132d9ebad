"""Renders a Kustomize folder offline: resources, JSON patches (RFC 6902), namespace, images.

Only what deploy/k8s uses; a kustomization that asks for more is refused, never read in part. Where
`kubectl` is on the PATH its own rendering is the judge (`by_kubectl`).
"""

import copy
import re
import shutil
import subprocess
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

from ops.manifests.documents import Document, containers

FILE = "kustomization.yaml"
KEYS = {"apiVersion", "kind", "namespace", "resources", "patches", "images"}
KUBECTL_SECONDS = 60


class CannotRender(Exception):
    """A folder is not what this renders; the message says where and why."""


class _StrictLoader(yaml.SafeLoader):
    """YAML 1.1, where a key that stands twice in one mapping is an error."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise yaml.constructor.ConstructorError(
            None, None, f"{', '.join(twice)} stands twice", node.start_mark
        )
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load(path: Path) -> list[Any]:
    """The documents of a YAML file. Raises CannotRender where it is none."""
    try:
        found = yaml.load_all(path.read_text(), Loader=_StrictLoader)
        return [each for each in found if each is not None]
    except (OSError, yaml.YAMLError) as error:
        raise CannotRender(f"{path}: {' '.join(str(error).split())}") from None


def render(folder: Path) -> list[Document]:
    """The documents that `kubectl kustomize FOLDER` prints, in the order of the files.

    Raises CannotRender.
    """
    found = load(folder / FILE)
    if len(found) != 1 or not isinstance(found[0], dict):
        raise CannotRender(f"{folder / FILE}: it is not one kustomization")
    wanted: Document = found[0]
    unknown = sorted(set(wanted) - KEYS)
    if unknown:
        raise CannotRender(f"{folder / FILE}: {', '.join(unknown)} is not rendered here")
    documents: list[Document] = []
    for name in wanted.get("resources", []):
        path = folder / name
        documents += render(path) if path.is_dir() else load(path)
    for each in wanted.get("patches", []):
        _patch(documents, each, folder)
    if "namespace" in wanted:
        for document in documents:
            _move(document, wanted["namespace"])
    for image in wanted.get("images", []):
        for document in documents:
            _set_image(document, image)
    return documents


def _patch(documents: list[Document], wanted: Document, folder: Path) -> None:
    if set(wanted) != {"path", "target"} or set(wanted["target"]) - {"kind", "name"}:
        raise CannotRender(
            f"{folder / FILE}: a patch here has a path, and a target's kind and name"
        )
    path = folder / wanted["path"]
    operations = load(path)[0]
    aimed = [each for each in documents if _is_target(each, wanted["target"])]
    if not aimed:
        raise CannotRender(f"{path}: it is aimed at nothing")
    for document in aimed:
        for operation in operations:
            try:
                apply(document, operation)
            except (KeyError, IndexError, ValueError, TypeError) as error:
                raise CannotRender(f"{path}: {operation.get('path')}: {error!r}") from None


def _is_target(document: Document, target: Document) -> bool:
    given = {"kind": document["kind"], "name": document["metadata"]["name"]}
    return all(re.fullmatch(pattern, given[key]) for key, pattern in target.items())


def apply(document: Document, operation: Document) -> None:
    """One operation of RFC 6902 (add, replace or remove) on a document, in place.

    Raises KeyError, IndexError, ValueError or TypeError where its path leads nowhere.
    """
    *parents, last = [_unescaped(part) for part in operation["path"].split("/")[1:]]
    at: Any = document
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else at[part]
    verb, value = operation["op"], copy.deepcopy(operation.get("value"))
    if verb == "add" and isinstance(at, list):
        at.insert(len(at) if last == "-" else int(last), value)
        return
    key = int(last) if isinstance(at, list) else last
    if verb == "add":
        at[key] = value
    elif verb == "replace":
        if isinstance(at, dict) and key not in at:
            raise KeyError(key)
        at[key] = value
    elif verb == "remove":
        del at[key]
    else:
        raise ValueError(f"{verb} is not rendered here")


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _move(document: Document, namespace: str) -> None:
    if document["kind"] == "Namespace":
        document["metadata"]["name"] = namespace
    else:
        document["metadata"]["namespace"] = namespace


def _set_image(document: Document, wanted: Document) -> None:
    for container in containers(document):
        name, end = name_and_end(container["image"])
        if name == wanted["name"]:
            end = f":{wanted['newTag']}" if "newTag" in wanted else end
            end = f"@{wanted['digest']}" if "digest" in wanted else end
            container["image"] = wanted.get("newName", name) + end


def name_and_end(image: str) -> tuple[str, str]:
    """An image's name, and its tag or digest with the mark before it; "" where there is neither."""
    found = re.fullmatch(r"(.+?)(:[^/:@]+)?(@.+)?", image)
    if found is None:
        return image, ""
    return found[1], found[3] or found[2] or ""


def by_kubectl(
    folder: Path, *, find: Callable[[str], str | None] = shutil.which
) -> list[Document] | None:
    """What `kubectl kustomize` makes of a folder, None where there is no kubectl.

    Raises CannotRender with what it says where it refuses.
    """
    program = find("kubectl")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "kustomize", str(folder)],
            capture_output=True,
            text=True,
            timeout=KUBECTL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotRender(f"{folder}: kubectl does not answer: {type(error).__name__}") from None
    if done.returncode != 0:
        raise CannotRender(f"{folder}: kubectl refuses it: {' '.join(done.stderr.split())}")
    return [each for each in yaml.safe_load_all(done.stdout) if each is not None]
