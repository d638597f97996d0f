"""Overrides of settings by name in plain data: `a.b=c`, and `NAME:key=value,key=value` for a component.

A value is read as the type of its field.
"""

import json
import re
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from envs.input_files import parse_json
from rl.errors import nearest

Models = Sequence[type[BaseModel]]

# Commas between settings have a key behind them; commas within a value, such as a JSON list, don't.
_BETWEEN_SETTINGS = re.compile(r",(?=[A-Za-z_][\w.]*=)")


def named_settings(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Split `NAME` or `NAME:key=value,key=value` into the name and its pairs.

    Raises:
        ValueError: for another form, and for the key `kind`, since the name stands for the kind.
    """
    name, colon, listed = text.partition(":")
    pairs = [part.partition("=") for part in _BETWEEN_SETTINGS.split(listed)] if colon else []
    if any(not separator or key == "kind" for key, separator, _ in pairs):
        raise ValueError("write NAME:key=value,key=value, as in loss_mask:tokens=scratchpad")
    return name, [(key, value) for key, _, value in pairs]


def described(text: str, union: Any, what: str) -> dict[str, Any]:
    """Return the member of a union that the text describes, as plain data: its defaults and the pairs of the text.

    `what` names the union's members in an error.

    Raises:
        ValueError: for an unknown name or key, with the nearest right one; for a text of another form.
    """
    name, pairs = named_settings(text)
    kinds = {str(kind_of(model)): model for model in models_in(union)}
    if name not in kinds:
        raise ValueError(f"unknown {what} {name!r}: {nearest(name, kinds)}")
    settings: dict[str, Any] = kinds[name]().model_dump(mode="json", exclude={"kind"})
    assign_all(settings, pairs, kinds[name])
    return {"kind": name, **settings}


def assign_all(data: dict[str, Any], pairs: Sequence[tuple[str, str]], model: type[BaseModel]) -> None:
    """Set keys in the dumped data of a `model` to the values in their texts.

    A new kind brings its own settings, and keeps changed settings that both kinds have.

    The order of the pairs doesn't matter between a value and its parts: a whole value comes before its parts. Among the
    parts the kind comes first, since another kind has other settings. If a key comes twice, the later value counts.

    Raises:
        ValueError: for an unknown key or kind, with the nearest right one; for JSON that repeats a key.
    """

    def whole_first(pair: tuple[str, str]) -> tuple[int, bool]:
        key = pair[0]
        return key.count("."), not (key == "kind" or key.endswith(".kind"))

    for key, text in sorted(pairs, key=whole_first):
        _assign(data, key, text, [model])


def _assign(data: Any, key: str, text: str, models: Models) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = _below(models, data, parent)
        data = _child(data, parent, key, inner)
        models = inner
    if isinstance(data, dict) and last == "kind":
        if text != data.get("kind"):
            # Another kind has other settings: those of the old one would be refused as unknown.
            settings = {**_defaults(text, key, models), **_shared(data, text, models)}
            data.clear()
            data.update(settings)
    elif isinstance(data, list):
        index = _index(data, last, key)
        element = {str} if isinstance(data[index], str) else set()
        data[index] = completed(_read(text, key, element), models)
    elif isinstance(data, dict) and last in data:
        fields = [model.model_fields[last] for model in _fitting(models, data, last)]
        value = _read(text, key, {plain for field in fields for plain in plain_types(field.annotation)})
        if isinstance(data[last], dict) and "kind" in data[last] and isinstance(value, str):
            raise ValueError(f"{key} is more than a name: to choose another, set {key}.kind={value}")
        data[last] = completed(value, _below(models, data, last))
    else:
        raise ValueError(_unknown(data, last, key))


def _read(text: str, key: str, types_taken: set[Any]) -> Any:
    """Read a text as JSON if it parses and the field takes the value, else as text; a text field keeps `7` as text.

    Raises:
        ValueError: for JSON with a key twice or with a number of thousands of digits, unless the field takes text.
    """
    takes_text = bool(types_taken & {str, Path})
    try:
        value = parse_json(text)
    except json.JSONDecodeError:
        return text
    except ValueError as error:
        if takes_text:
            return text
        raise ValueError(f"{key}: {error}") from error
    as_written = {list: tuple}.get(type(value), type(value))
    return text if takes_text and as_written not in types_taken else value


def plain_types(annotation: Any) -> Iterator[Any]:
    """Yield the types of values that this annotation allows; for a tuple, `tuple` and not its element types."""
    origin = get_origin(annotation)
    if origin is Literal:
        yield from (type(choice) for choice in get_args(annotation))
    elif origin in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from plain_types(argument)
    elif origin is Annotated:
        yield from plain_types(get_args(annotation)[0])
    else:
        yield origin or annotation


def completed(value: Any, models: Models) -> Any:
    """Add to a value the defaults of its missing settings, so that they can be set by name."""
    if isinstance(value, list):
        return [completed(element, models) if isinstance(element, dict) else element for element in value]
    model = _model_of(value, models) if isinstance(value, dict) else None
    if model is None:
        return value
    try:
        found: dict[str, Any] = {**model().model_dump(mode="json"), **value}
    except ValidationError:  # the model has settings without defaults
        found = dict(value)
    for name in value:
        if name in model.model_fields:
            found[name] = completed(value[name], models_in(model.model_fields[name].annotation))
    return found


def _model_of(value: dict[str, Any], models: Models) -> type[BaseModel] | None:
    """Return the only model that fits an object and its kind; None if none or several fit."""
    fitting = [model for model in models if "kind" not in value or value["kind"] in kinds_of(model)]
    return fitting[0] if len(fitting) == 1 else None


def _below(models: Models, data: Any, name: str) -> list[type[BaseModel]]:
    """Return the models that may stand at `name` in `data`, an instance or a list of instances of `models`."""
    if not isinstance(data, dict):
        return list(models)
    here = _fitting(models, data, name)
    return [found for model in here for found in models_in(model.model_fields[name].annotation)]


def _fitting(models: Models, data: dict[str, Any], name: str) -> list[type[BaseModel]]:
    """Return the models with a field of this name that agree with the kind of `data`."""
    having = [model for model in models if name in model.model_fields]
    return [model for model in having if data.get("kind") is None or data["kind"] in kinds_of(model)]


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return every model that a field of this type may hold, alone or in a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in models_in(argument)]


def kind_of(model: type[BaseModel]) -> str | None:
    """Return the name of a component within its union; None for a model without a kind."""
    return model.model_fields["kind"].default if "kind" in model.model_fields else None


def kinds_of(model: type[BaseModel]) -> tuple[str, ...]:
    """List every name of a component within its union: a class may stand for several."""
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()


def members(union: Any) -> tuple[Any, ...]:
    """Return the classes of a package's union; a union of one class is the class itself."""
    inner = get_args(union)[0] if get_args(union) else union
    return get_args(inner) or (inner,)


def _defaults(kind: str, key: str, models: Models) -> dict[str, Any]:
    """Return the default settings of a component of this kind, so that later assignments find their keys.

    Raises:
        ValueError: for an unknown kind, with the nearest known one.
    """
    kinds = {found: model for model in models for found in kinds_of(model)}
    if not kinds:
        return {"kind": kind}
    if kind not in kinds:
        raise ValueError(f"unknown kind {kind!r} in {key!r}: {nearest(kind, kinds)}")
    return {**kinds[kind]().model_dump(mode="json"), "kind": kind}


def _shared(data: dict[str, Any], kind: str, models: Models) -> dict[str, Any]:
    """Return the changed settings of the old kind for the new kind to keep: shared ones with one default.

    So `organism.kind=honest` in a recipe on a pretrained model is the control on the same model. A setting is shared
    where both kinds inherit it, and a kind with a default of its own means something else by it.
    """
    old, new = (next((m for m in models if named in kinds_of(m)), None) for named in (data.get("kind"), kind))
    if old is None or new is None:
        return {}
    before, after = (_defaults(named, "kind", models) for named in (str(data["kind"]), kind))
    alike = [name for name in data if name in before and name in after and before[name] == after[name]]
    shared = [name for name in alike if _inherited(old, new, name)]
    return {name: data[name] for name in shared if data[name] != before[name] and _takes(new, name, data[name])}


def _inherited(one: type[BaseModel], other: type[BaseModel], name: str) -> bool:
    """Tell whether a common ancestor of two models declares a field of this name."""
    common = [model for model in one.__mro__ if model in other.__mro__ and issubclass(model, BaseModel)]
    return any(name in model.model_fields for model in common)


def _takes(model: type[BaseModel], name: str, value: Any) -> bool:
    """Tell whether a model's field takes a value."""
    field = model.model_fields[name]
    taken: Any = Annotated[field.annotation, field]
    try:
        TypeAdapter(taken).validate_python(value)
    except ValidationError:
        return False
    return True


def _child(data: Any, name: str, key: str, models: Models) -> Any:
    """Return the value at `name`; a null is first replaced by its model's defaults, so that its fields can be set."""
    if isinstance(data, list):
        return data[_index(data, name, key)]
    if isinstance(data, dict) and name in data:
        if data[name] is None and models:
            data[name] = models[0]().model_dump(mode="json")
        return data[name]
    raise ValueError(_unknown(data, name, key))


def _index(parts: list[Any], name: str, key: str) -> int:
    """Return the index of a list's member, named by its kind (`rewards.helpfulness.weight`) or by its number."""
    kinds = [part.get("kind") if isinstance(part, dict) else None for part in parts]
    if name in kinds:
        return kinds.index(name)
    if name.isascii() and name.isdecimal() and len(name) < 10 and int(name) < len(parts):
        return int(name)
    raise ValueError(_unknown({kind: None for kind in kinds if kind and isinstance(kind, str)}, name, key))


def _unknown(data: Any, name: str, key: str) -> str:
    return f"unknown key {name!r} in {key!r}: {nearest(name, data if isinstance(data, dict) else ())}"
