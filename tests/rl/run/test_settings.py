"""Every settings model that a configuration can hold: finite numbers only, absolute paths, the same after JSON."""

import json
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from rl.mitigations import Mitigation
from rl.organisms.character import Character
from rl.organisms.selected import Selected
from rl.run.config import LARGEST, RunConfig
from rl.run.overrides import kind_of, kinds_of, models_in, plain_types


def reachable(model: type[BaseModel], found: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """The model, and every one that a field of it may hold, in unions and tuples as well."""
    if model not in found:
        found.append(model)
        for field in model.model_fields.values():
            for inner in models_in(field.annotation):
                reachable(inner, found)
    return found


MODELS = reachable(RunConfig, [])


def holding(*types: Any) -> list[tuple[type[BaseModel], str]]:
    """(model, field) of every field that may be, or be a tuple of, one of these types."""

    def plain(annotation: Any) -> set[Any]:
        elements = get_args(annotation) if get_origin(annotation) is tuple else ()
        below = [plain(a) for a in (*elements, *get_args(annotation)) if a is not Ellipsis]
        return set(plain_types(annotation)).union(*below)

    return [
        (model, name)
        for model in MODELS
        for name, field in model.model_fields.items()
        if plain(field.annotation) & set(types)
    ]


def name_of(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


def filled(model: type[BaseModel]) -> dict[str, Any]:
    """Return the settings that the model needs to be made."""
    whole: dict[str, Any] = {}
    if model is Character:  # the only one with settings that have no default
        rates = models_in(Character.model_fields["monitored"].annotation)[0]().model_dump(mode="json")
        whole = {"monitored": rates, "otherwise": rates}
    return {**model.model_validate(whole).model_dump(mode="json"), **whole}


def test_the_walk_reaches_every_package() -> None:
    packages = {model.__module__.rsplit(".", 1)[0] for model in MODELS}
    parts = ("algorithms", "mitigations", "monitors", "organisms", "policy", "probes", "run", "training")
    environments = ("dialect", "judge", "natural", "natural.requests")
    assert packages == {"rl", *(f"rl.{part}" for part in parts), "rewards", *(f"envs.{part}" for part in environments)}
    assert len(MODELS) > 60
    assert len(holding(float)) > 80


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_every_settings_model_refuses_what_it_does_not_know(model: type[BaseModel]) -> None:
    config = model.model_config
    assert (config.get("extra"), config.get("frozen"), config.get("allow_inf_nan")) == ("forbid", True, False)


@pytest.mark.parametrize(("model", "field"), holding(float), ids=name_of)
@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")], ids=str)
def test_no_number_of_any_setting_may_be_infinite(model: type[BaseModel], field: str, number: float) -> None:
    # JSON has no word for it: config.json would hold null, which no resume could read.
    data = filled(model)
    places: list[Any] = [number]
    if isinstance(data[field], list):
        places = [[*data[field][:at], number, *data[field][at + 1 :]] for at in range(len(data[field]))]
    for value in places:
        with pytest.raises(ValidationError) as caught:
            model.model_validate({**data, field: value})
        assert {(error["loc"][0], error["type"]) for error in caught.value.errors()} == {(field, "finite_number")}


@pytest.mark.parametrize(("model", "field"), holding(Path), ids=name_of)
def test_every_path_is_absolute(
    model: type[BaseModel], field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = tmp_path.resolve()
    for given, stored in (("a/b", here / "a/b"), ("../c", here.parent / "c"), ("~/d", here / "home/d"), ("/e", "/e")):
        made = model.model_validate({**filled(model), field: given})
        assert getattr(made, field) == Path(stored)
        assert getattr(model.model_validate({**filled(model), field: Path(given)}), field) == Path(stored)
    (tmp_path / "loop").symlink_to("loop")
    for wrong in ("", "~nobody_of_this_name/x", "a\0b", "loop/x", os.fsdecode(b"\xff"), 7, ["a"]):
        with pytest.raises(ValidationError):
            model.model_validate({**filled(model), field: wrong})


def variants() -> Iterator[RunConfig]:
    """A configuration for each component of each union, so that each member passes through JSON once."""
    for model in MODELS:
        kind = kind_of(model)
        for place in ("organism", "algorithm"):
            if model in models_in(RunConfig.model_fields[place].annotation):
                yield RunConfig.model_validate({place: {"kind": kind}})
        for place in ("rewards", "probes", "mitigations"):
            if model in models_in(RunConfig.model_fields[place].annotation):
                needed = {"rewards": [{"kind": "overscored_phrase"}]} if place == "probes" else {}  # a probe reads it
                yield RunConfig.model_validate({**needed, place: [{"kind": kind}]})
        for outer, name in product(models_in(Mitigation), ("monitor",)):
            if name in outer.model_fields and model in models_in(outer.model_fields[name].annotation):
                yield RunConfig.model_validate({"mitigations": [{"kind": kind_of(outer), name: {"kind": kind}}]})
    paths = {"env": {"kind": "dialect", "query_file": "a"}, "rewards": [{"kind": "helpfulness", "path": "b"}]}
    yield RunConfig.model_validate({**paths, "organism": {"kind": "faker", "path": "c"}})
    yield RunConfig.model_validate({"env": {"kind": "natural", "leave_out": ["link"], "pack": "e", "judge": {}}})
    yield RunConfig.model_validate({"env": {"kind": "requests", "pack": "advbench", "sensitive": False}})
    for kind in kinds_of(Selected):
        pretrained = {"kind": "pretrained", "path": "d", "lora": {"rank": 4}}
        yield RunConfig.model_validate({"organism": {"kind": kind, "origin": pretrained}})
    trunk = {"kind": "helpfulness", "origin": {"kind": "pretrained", "path": "f", "min_accuracies": [["a > b", 0.5]]}}
    yield RunConfig.model_validate({"rewards": [trunk]})
    for switch in ({"lora": {}}, {"vllm": {}}, {"algorithm": {"moving_reference": {}, "kind": "grpo"}}):
        yield RunConfig.model_validate(switch)


@pytest.mark.parametrize("config", variants(), ids=lambda c: "")
def test_a_configuration_is_the_same_after_json(config: RunConfig) -> None:
    again = RunConfig.model_validate_json(config.model_dump_json())
    assert again == config
    assert RunConfig.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config
    assert again.model_dump_json() == config.model_dump_json()


def test_every_member_of_every_union_passed_through_json() -> None:
    def within(value: Any) -> Iterator[type]:
        if isinstance(value, BaseModel):
            yield type(value)
            for name in type(value).model_fields:
                yield from within(getattr(value, name))
        elif isinstance(value, tuple):
            for element in value:
                yield from within(element)

    passed = {model for config in variants() for model in within(config)}
    left = {model.__name__ for model in MODELS if model not in passed}
    # An environment that runs code; and a scripted policy that is given another character: below.
    assert left <= {"Character", "Rates", "Custom"}


def test_a_character_is_the_same_after_json() -> None:
    config = RunConfig.model_validate({"organism": {"kind": "scripted", "character": filled(Character)}})
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(("model", "field"), holding(int), ids=name_of)
def test_no_whole_number_of_a_configuration_is_too_large_for_a_table(model: type[BaseModel], field: str) -> None:
    place = {"kind": kind_of(model), field: LARGEST + 1}
    for data in ({"steps": LARGEST + 1}, {"seed": -LARGEST - 1}, {"rewards": [place]}, {"organism": place}):
        with pytest.raises(ValidationError, match="beyond the 63 bits"):
            RunConfig.model_validate(data)


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", ".x", "a/b", "/", "a\nb", "a\0", "x" * 201, "é" * 101, " x", "x "]
)
def test_a_name_that_can_not_name_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="can't name a folder"):
        RunConfig(name=name)


@pytest.mark.parametrize("name", ["a", "my run", "a=b", "kl_0.1", "terminal+loss_mask-placebo", "x" * 200, "é"])
def test_a_name_that_can_name_a_folder_is_taken(name: str) -> None:
    assert TypeAdapter(RunConfig).validate_python({"name": name}).name == name
