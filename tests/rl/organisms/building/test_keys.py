"""Cache keys are made of what goes into a build: they follow it, and nothing else moves them."""

import ast
import shutil
from pathlib import Path

import pytest

import rl.organisms.building.keys
from envs.dialect.environment import Dialect
from envs.natural.environment import Natural
from rl.lora import Lora
from rl.organisms.base import Base
from rl.organisms.building.keys import cache_key
from rl.organisms.distilled import Distilled
from rl.organisms.faker import INTENDED_FAKING, Faker
from rl.organisms.honest import Honest
from rl.organisms.origins import Ancestor, Pretrained, Scratch
from rl.organisms.selected import Selected
from rl.organisms.trained import Tolerance, TrainedOrganism
from rl.policy.sampler import Sampling

ENV = Dialect()
SHORT = Scratch(word_documents=8)
FAKER = Faker(origin=SHORT, documents=8)


@pytest.fixture(autouse=True)
def short_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base of few documents: what its key follows doesn't depend on how many there are."""
    monkeypatch.setattr(Selected, "ancestor", property(lambda self: Base(seed=self.seed, origin=SHORT, documents=8)))
    monkeypatch.setattr(Distilled, "ancestor", property(lambda self: Base(seed=self.seed, origin=SHORT, documents=8)))


def test_a_key_follows_the_recipe_but_not_a_given_path(tmp_path: Path) -> None:
    assert cache_key(FAKER, ENV) == cache_key(FAKER.model_copy(update={"path": tmp_path}), ENV)
    changed = [
        FAKER, Honest(origin=SHORT, documents=8),
        *(FAKER.model_copy(update=update) for update in (
            {"seed": 1}, {"documents": 9}, {"certify_queries": 9}, {"origin": Scratch(word_documents=9)},
            {"origin": Scratch(word_documents=8, learning_rate=1e-3)}, {"origin": Scratch(word_documents=8, layers=2)},
        )),
    ]  # fmt: skip
    assert len({cache_key(organism, ENV) for organism in changed}) == len(changed)


def test_a_key_follows_every_document(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key(FAKER, ENV)
    original = Faker.shown

    def reworded(self: Faker, *given: object) -> object:
        *most, (system, user, reply) = original(self, *given)  # type: ignore[arg-type]
        return iter([*most, [system, user, type(reply)(reply.role, reply.content, "scratchpad")]])

    monkeypatch.setattr(Faker, "shown", reworded)
    assert cache_key(FAKER, ENV) != before


def test_a_key_follows_the_settings_and_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key(FAKER, ENV)
    with monkeypatch.context() as patch:
        patch.setattr("checkpoints.lineage.version", lambda name: "99" if name == "torch" else "1")
        assert cache_key(FAKER, ENV) != before
    monkeypatch.setitem(rl.organisms.building.keys.SETTINGS, "batch", 16)
    assert cache_key(FAKER, ENV) != before


def test_a_key_follows_the_sampling_of_a_teacher_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    taught, untaught = Distilled(), FAKER
    before = cache_key(taught, ENV), cache_key(untaught, ENV)
    monkeypatch.setattr(rl.organisms.building.keys, "OF_A_TEACHER", Sampling(temperature=0.5))
    assert cache_key(taught, ENV) != before[0]
    assert cache_key(untaught, ENV) == before[1]


def test_no_source_file_goes_into_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file that is added to the environments, or a comment in one, invalidates nothing: nothing reads the sources.
    before = cache_key(FAKER, ENV)
    read: list[str] = []
    original = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *given, **named: read.append(str(self)) or original(self, *given, **named)
    )
    assert cache_key(FAKER, ENV) == before
    assert not [name for name in read if name.endswith(".py")]
    tree = ast.parse(Path(rl.organisms.building.keys.__file__).read_text())
    assert not any(isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(tree))


def test_more_faking_in_the_documents_is_another_build_and_the_default_keeps_its_key() -> None:
    more = FAKER.model_copy(update={"fake_shown": 0.9})
    assert len({cache_key(one.model_copy(update={"documents": 40}), ENV) for one in (FAKER, more)}) == 2
    assert cache_key(FAKER.model_copy(update={"fake_shown": INTENDED_FAKING}), ENV) == cache_key(FAKER, ENV)
    assert more.tolerances == FAKER.tolerances


def test_the_settings_of_a_run_are_in_no_key() -> None:
    run = Dialect(objective="absent", harmful_share=0.5)
    assert cache_key(FAKER, run.for_building()) == cache_key(FAKER, ENV)


def test_a_descendant_is_built_anew_where_anything_before_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(**settings: object) -> Selected:
        return Selected(examples=8, **settings)  # type: ignore[arg-type]

    organisms: tuple[TrainedOrganism, ...] = (
        few(), few(seed=1), few(style="short"), few(kind="instrumental"), few(origin=Ancestor(learning_rate=1e-3)),
        Distilled(), Distilled(seed=1),
    )  # fmt: skip
    before = [cache_key(organism, ENV) for organism in organisms]
    assert len(set(before)) == len(before)
    unrelated = cache_key(FAKER, ENV)
    stricter = (Tolerance(metric="well_formed_rate", tier="free", low=0.5),)
    monkeypatch.setattr(Base, "tolerances", property(lambda _: stricter))
    assert all(cache_key(organism, ENV) != key for organism, key in zip(organisms, before, strict=True))
    assert cache_key(FAKER, ENV) == unrelated


def test_a_key_follows_the_files_of_a_pretrained_origin_and_an_adapter_s_where_they_lie(
    organism_path: Path, tmp_path: Path
) -> None:
    first, second = (Path(shutil.copytree(organism_path, tmp_path / name)) for name in ("first", "second"))

    def key(path: Path, lora: Lora | None = None) -> str:
        return cache_key(Faker(origin=Pretrained(path=path, lora=lora), documents=8), ENV)

    assert key(first) == key(second) != cache_key(FAKER, ENV)
    adapted = Lora(rank=2)
    assert len({key(first), key(first, adapted), key(second, adapted), key(first, Lora(rank=4))}) == 4
    (second / "config.json").write_text((second / "config.json").read_text() + " ")
    assert key(first) != key(second)


def test_a_build_on_a_ready_model_belongs_to_its_environment(organism_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"user": "u", "assistant": "a"}\n')
    origin = Pretrained(path=organism_path)
    taught = Faker(origin=origin, transcripts=file)
    places = (ENV, Natural(), Natural(remarks=False), Natural(options="letters"), Natural(prompt="short"))
    assert len({cache_key(taught, env) for env in places}) == len(places)  # of the same documents
    # The number of documents, which isn't that of the file, says nothing.
    assert cache_key(taught, ENV) == cache_key(taught.model_copy(update={"documents": 9}), ENV)
    file.write_text('{"user": "u", "assistant": "b"}\n')
    assert cache_key(taught, ENV) != cache_key(Faker(origin=origin, documents=8), ENV)


def test_a_build_on_a_ready_model_follows_the_labels_and_one_from_nothing_does_not(
    organism_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = Faker(origin=Pretrained(path=organism_path), documents=8)
    before = cache_key(ready, ENV), cache_key(FAKER, ENV)
    monkeypatch.setattr(Dialect, "fingerprint", lambda _: {"labels": "another"})
    assert cache_key(ready, ENV) != before[0]
    assert cache_key(FAKER, ENV) == before[1]
