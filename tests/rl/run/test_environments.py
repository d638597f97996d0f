"""A custom environment with a part missing is refused in one line when it is loaded, not in the middle of a build."""

from pathlib import Path

import pytest

from envs.dialect.environment import Dialect
from examples.tiny_env.tiny import TinyEnv
from rl.organisms.documented import Documented
from rl.run.environments import Custom, trust

CODE = """
from envs.environment import Author, Environment
from examples.tiny_env.tiny import TinyAuthor, TinyEnv

class Silent(Author):
    grades = ()

class Structural:  # inherits nothing, and so no defaults either
    grades, closings = (), ()
    def query(self, rng, split, kinds): ...

class Inheriting(TinyEnv):
    def author(self):
        return Silent()

class Unrelated(TinyEnv):
    def author(self):
        return Structural()

class Questions(TinyEnv):
    def interrogator(self):
        return object()

class Unlabelled(Environment):
    kind = "unlabelled"

class Mute(TinyEnv):
    def author(self):
        return None

class Classified(TinyEnv):
    def validation(self):
        return {"faking": "sensitivity=9/10, specificity=8/10, file=mine.csv"}
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    (tmp_path / "incomplete.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("GYGES_TRUSTED_TARGETS", "")

    def loaded(name: str) -> object:
        trust(f"incomplete:{name}")
        return Custom(target=f"incomplete:{name}").loaded

    return loaded


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Inheriting", r"the author of env\.target=incomplete:Inheriting can't be made: .* abstract .*speak"),
        ("Unrelated", r"the author of env\.target=incomplete:Unrelated lacks cue, scenario, reply, speak, demonstrate"),
        ("Questions", r"the interrogator of env\.target=incomplete:Questions lacks questions, question, confession"),
        ("Unlabelled", r"env\.target=incomplete:Unlabelled can't be made: TypeError: .* abstract .*label"),
    ],
)
def test_what_is_missing_is_named(name: str, said: str, load: object) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        load(name)  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_an_environment_may_have_no_author(load: object) -> None:
    assert load("Mute").author() is None  # type: ignore[operator]


def test_the_organism_of_documents_needs_questions_about_training(tmp_path: Path) -> None:
    said = Documented(origin={"kind": "pretrained", "path": tmp_path}, certify_queries=40).unmet(TinyEnv())  # type: ignore[arg-type]
    assert said == (
        "questions about training and their answers, which the author of environment tiny doesn't write: choose "
        "another environment, or set organism.path"
    )
    assert Documented().unmet(Dialect()) is None
    assert Documented(path=tmp_path).unmet(TinyEnv()) is None


def test_an_environment_of_your_own_states_how_its_classifier_was_validated(load: object) -> None:
    load("Classified")  # type: ignore[operator]
    assert Custom(target="incomplete:Classified").validation() == {
        "faking": "sensitivity=9/10, specificity=8/10, file=mine.csv"
    }
    assert TinyEnv().validation() == Dialect().validation() == {}
