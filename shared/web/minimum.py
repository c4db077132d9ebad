"""Replies with the minimum of fields (45 CFR 164.502(b), minimum necessary).

A read may accept a lesser permission beside its own. Whoever has only that one is answered by
another view, made from the full one by a list of the fields that are in it: what nobody has put on
the list, such as a field that is new, is left out.
"""

from collections.abc import Mapping, Set
from copy import copy
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, create_model

from shared.contracts.permissions import Permission
from shared.values.errors import Forbidden

Fields = dict[str, "Fields"]
"""The fields that a view keeps, each with those that it keeps of the model within."""


@dataclass(frozen=True, slots=True)
class Lesser:
    """A lesser permission that a read accepts.

    reply: what is answered by it; None where the route answers a file. asks: the members of the
    request that may be used by it; None for all of them.
    """

    may: Permission
    reply: type[BaseModel] | None = None
    asks: frozenset[str] | None = None

    def require_asked(self, given: Any) -> None:
        """Raise Forbidden where something is looked for by what the caller may not see."""
        if self.asks is not None and not self.asks.issuperset(given.model_fields_set):
            raise Forbidden("permission.minimum", "Your role may not ask by this.")

    def cut(self, body: BaseModel | bytes | None) -> BaseModel | bytes | None:
        """The body of a reply with the minimum. Raises TypeError for one that cannot be cut."""
        if not isinstance(body, BaseModel):
            return body
        if self.reply is None:
            raise TypeError(f"{type(body).__name__} has no minimum for {self.may.value}")
        return self.reply.model_validate(body.model_dump())


def lesser_of(lessers: tuple[Lesser, ...], may: Permission, held: Set[Permission]) -> Lesser | None:
    """By which lesser permission somebody is answered; None for who has the route's own."""
    if may in held:
        return None
    return next((lesser for lesser in lessers if lesser.may in held), None)


def minimum(view: type[BaseModel], name: str, *paths: str) -> type[BaseModel]:
    """A view with these fields of another, and no others.

    paths: `birth_date`, and `name.family` for a field of a model within, which is never taken as a
    whole. Raises ValueError for a path that leads nowhere, and for a model that is not gone into.
    """
    fields: Fields = {}
    for path in paths:
        at = fields
        for part in path.split("."):
            at = at.setdefault(part, {})
    return _made(view, name, fields)


def leaves(view: type[BaseModel]) -> list[str]:
    """The paths of all fields of a view that are no models themselves, sorted."""
    found: list[str] = []
    for name, info in view.model_fields.items():
        inner = _model_in(info.annotation)
        found += [name] if inner is None else [f"{name}.{leaf}" for leaf in leaves(inner)]
    return sorted(found)


def _made(view: type[BaseModel], name: str, fields: Fields) -> type[BaseModel]:
    unknown = set(fields) - set(view.model_fields)
    if unknown:
        raise ValueError(f"{view.__name__} has no {', '.join(sorted(unknown))}")
    members: dict[str, Any] = {}
    for field, info in view.model_fields.items():
        if field not in fields:
            continue
        inner, within = _model_in(info.annotation), fields[field]
        if (inner is None) == bool(within):
            raise ValueError(
                f"{view.__name__}.{field}: name the fields of a model, and of no other"
            )
        annotation: Any = info.annotation
        if inner is not None:
            part = "".join(word.title() for word in field.split("_"))
            annotation = _with(annotation, inner, _made(inner, f"{name}{part}", within))
        kept = copy(info)
        kept.annotation = annotation
        members[field] = (annotation, kept)
    without = [field for field in view.model_fields if field not in fields]
    says = (view.__doc__ or "").strip().partition("\n")[0]
    if without:
        says += f" The minimum of it, without: {', '.join(without)}."
    extra = view.model_config.get("json_schema_extra")
    written = extra.get("examples") if isinstance(extra, Mapping) else None
    config = ConfigDict()
    if isinstance(written, list):
        config["json_schema_extra"] = {"examples": [_pruned(each, fields) for each in written]}
    made: type[BaseModel] = create_model(name, __config__=config, __doc__=says, **members)
    return made


def _pruned(example: Any, fields: Fields) -> Any:
    if isinstance(example, list):
        return [_pruned(each, fields) for each in example]
    if isinstance(example, Mapping) and fields:
        return {name: _pruned(example[name], fields[name]) for name in example if name in fields}
    return example


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of an annotation such as `M`, `M | None`, `list[M]`; None where it has none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _with(annotation: Any, old: type[BaseModel], new: type[BaseModel]) -> Any:
    """The annotation with one model in the place of another."""
    if annotation is old:
        return new
    arguments = tuple(_with(each, old, new) for each in get_args(annotation))
    if not arguments:
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        return Union[arguments]  # noqa: UP007 - of as many as there are
    return get_origin(annotation)[arguments]
