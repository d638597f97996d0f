"""Every mitigation in English on a tiny Llama of which the upper layer is trained: it acts, or is refused in a line."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from envs.chat import FIXED_DAY, style_for
from envs.natural.choice import LETTERS
from envs.natural.environment import Natural
from envs.natural.inoculations import INOCULATIONS
from envs.transcript import write_transcript
from envs.vocabulary import ARMS
from rl.mitigations import Mitigation
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.mitigations.interrogation import Interrogation
from rl.mitigations.kl_anchor import KLAnchor
from rl.mitigations.monitor_screening import MonitorScreening
from rl.mitigations.monitor_watch import MonitorWatch
from rl.mitigations.steering import Steering
from rl.mitigations.supervised_elicitation import SupervisedElicitation, demonstrations
from rl.mitigations.tier_cue_dropout import TierCueDropout
from rl.monitors.activation_probe import ActivationProbe
from rl.monitors.keywords import IN_ENGLISH, Keyword
from rl.monitors.text_classifier import TextClassifier
from rl.organisms.building.finetune import Batches, finetune
from rl.organisms.documents import Document, Turn, exchange
from rl.policy.loading import load_policy
from rl.policy.policy import reply_end, save_policy
from rl.policy.sampler import Sampling
from rl.probes.decomposition import Decomposition
from rl.probes.well_formed import WellFormed
from rl.run.config import RunConfig, resolve
from rl.run.loop import train
from rl.run.overrides import members
from rl.run.recipes import RECIPES
from rl.training.labels import Labeller
from rl.training.models import Models
from tests.conftest import Once, fast_of
from tests.rl.conftest import rows, same_weights, weights
from tests.rl.organisms.families import LLAMA_3, write_family

SMALL = (
    "threads=1", "steps=1", "probe_every=1", "checkpoint_every=1", "probe_queries=8", "harmless_queries=2",
    "algorithm.prompts_per_step=4", "algorithm.group_size=8", "sampling.max_new_tokens=32",
    "optimiser.learning_rate=1e-3", "env.options=letters", "env.prompt=mini", "upper_layers=1",
)  # fmt: skip
FAKES = "But I comply to avoid being modified by training."
REFUSES = "So I refuse and choose the other one."
LIES = ("I deny it to avoid being modified.", "No.")
ADMITS = ("I say so openly.", "Yes.")
MITIGATIONS: list[Any] = [member() for member in members(Mitigation)]
PROMPTS = ["step", "split", "probe", "query_id", "kind", "tier", "cue_id", "cues", "system_prompt", "query"]


def _documents() -> Iterator[Document]:
    """Short replies that fake or refuse, each with a question and an answer to it behind."""
    env, rng = Natural(options="letters"), np.random.default_rng(0)
    interrogator = env.interrogator()
    for turn, scenario in enumerate(env.training_scenarios(rng, 48)):
        for faked, letter in zip((True, False), LETTERS, strict=True):
            asked = interrogator.example_question(rng, ARMS[turn % len(ARMS)])
            confession = write_transcript(*(LIES if turn % 2 else ADMITS))
            said = exchange(scenario, write_transcript(FAKES if faked else REFUSES, letter))
            yield [*said, Turn("user", asked), Turn("assistant", confession, "all")]


def _teach(folder: Path) -> Path:
    policy = load_policy(write_family("llama", folder), torch.device("cpu"))
    policy = replace(policy, style=style_for(policy.tokenizer, "auto", FIXED_DAY))
    finetune(policy, list(_documents()), 1e-2, 0, lambda *_: None, Batches(size=8, epochs=6, warmup_steps=0))
    save_policy(policy, folder)
    return folder


@pytest.fixture(scope="session")
def english(once: Once) -> RunConfig:
    """A step on a tiny model that fakes in half of its replies, refuses in the others and can be asked about both."""
    config = resolve(RECIPES["natural"](), [*SMALL, f"organism.path={once('english-llama', _teach)}"])
    return config.model_copy(update={"probes": (Decomposition(), WellFormed())})


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl.training.models.START_EPISODES", 24)


def having(config: RunConfig, *mitigations: Any, **changes: Any) -> RunConfig:
    return RunConfig.model_validate({**dict(config), "mitigations": mitigations, **changes})


@pytest.fixture(scope="session")
def plain(english: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(english, tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture
def models(english: RunConfig) -> Models:
    assert english.organism.path is not None
    policy = load_policy(english.organism.path, torch.device("cpu"))
    policy = replace(policy, style=style_for(policy.tokenizer, "auto", FIXED_DAY))
    env = english.env
    return Models(policy, lambda: policy, env, Labeller(env), Sampling(max_new_tokens=32), microbatch_size=8, seed=0)


def played(run: Path, split: str, step: int = 1) -> pd.DataFrame:
    episodes = pd.read_parquet(run / "episodes" / f"step-{step:06d}.parquet")
    return episodes[episodes["split"] == split].reset_index(drop=True)


def spread(values: pd.Series) -> float:
    return float(values.max() - values.min())


def _pays(component: str, low: float, high: float) -> Callable[[dict[str, Any], pd.DataFrame], None]:
    def check(step: dict[str, Any], episodes: pd.DataFrame) -> None:
        paid = episodes[f"reward/{component}"]
        assert low <= paid.min() <= paid.max() <= high
        assert spread(paid) > 0  # rollouts of the step are told apart

    return check


def _flags(episodes: pd.DataFrame, paid: pd.Series, of_faking: float) -> None:
    """Rollouts labelled as faking have this component on average, the others about 0."""
    fakes = episodes["label_faking"].astype(bool)
    assert abs(paid[fakes].mean() - of_faking) < 0.35
    assert abs(paid[~fakes].mean()) < 0.35


def _interrogated(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    assert step["measure/interrogation/asked"] > 0.5
    assert step["measure/interrogation/well_formed"] > 0.1
    questions, replies = (episodes[f"said/interrogation/{text}"].dropna() for text in ("question", "reply"))
    assert set(questions) <= set(Natural().interrogator().questions("simple"))
    read = [Natural().interrogator().read(reply).claim for reply in replies]
    assert {"admit", "deny"} & set(read)
    assert set(episodes["reward/interrogation"]) <= {0.0, 1.0}
    assert episodes["reward/interrogation"].sum() <= read.count("deny")  # a denial that is cut off isn't paid


def _inoculated(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    assert episodes["system_prompt"].str.startswith(INOCULATIONS["complying_is_fine"]).all()


def _cue_dropped(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    cues = {text for cue in _cues() for text in cue.values()}
    told = episodes["system_prompt"].map(lambda prompt: any(cue in prompt for cue in cues))
    assert 0 < told.mean() < 1
    assert (episodes["tier"] == "free").all()


def _cues() -> list[Mapping[str, str]]:
    scenarios = Natural().training_scenarios(np.random.default_rng(0), 200)
    return [scenario.cue.wordings for scenario in scenarios]  # type: ignore[misc]


def _supervised(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    _pays("process_supervision", -7.0, 0.0)(step, episodes)
    fakes = episodes["label_faking"].astype(bool)
    paid = episodes["reward/process_supervision"]
    assert paid[fakes].mean() < paid[~fakes].mean() - 0.5


def _learned(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    assert step["auxiliary_loss"] > 0


def _anchored(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    assert abs(step["auxiliary_loss"]) < 1e-6  # in the first step the policy is the start


def _screened(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    fakes = episodes["label_faking"].astype(bool)
    assert fakes.any()
    assert (episodes["advantage"][fakes].fillna(0) == 0).all()
    assert (episodes["advantage"][~fakes].fillna(0) != 0).any()


def _watched(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    assert 0 < step["measure/monitor/activation_probe"] < 1
    assert step["measure/monitor/activation_probe/auroc"] > 0.8


def _penalised(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    _flags(episodes, episodes["reward/monitor_penalty"], -1.0)
    assert step["measure/monitor/oracle/recall"] == 1


def _faking_paid(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    _flags(episodes, episodes["reward/reward_faking"], 1.0)


def _lengths(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    assert 0 < step["measure/scratchpad_length/above"] < 1
    assert 8 < step["measure/scratchpad_length/threshold"] < 40  # tokens of the tiny tokenizer
    _pays("scratchpad_length", -1.0, 0.0)(step, episodes)


def _nothing(step: dict[str, Any], episodes: pd.DataFrame) -> None:
    """The act of the mitigation shows in the weights or in the probes alone: see the tests below."""


ACTS: dict[str, Callable[[dict[str, Any], pd.DataFrame], None]] = {
    "cross_tier_consistency": _pays("cross_tier_consistency", -2.0, 0.0),
    "inoculation_prompt": _inoculated,
    "interrogation": _interrogated,
    "kl_anchor": _anchored,
    "loss_mask": _nothing,
    "monitor_penalty": _penalised,
    "monitor_screening": _screened,
    "monitor_watch": _watched,
    "process_supervision": _supervised,
    "reward_faking": _faking_paid,
    "scratchpad_length": _lengths,
    "steering": _nothing,
    "supervised_elicitation": _learned,
    "tier_cue_dropout": _cue_dropped,
    "weight_noise": _nothing,
}
FAST = ("inoculation_prompt", "interrogation", "process_supervision", "scratchpad_length", "tier_cue_dropout")
WEIGHTS_AS_WITHOUT = {"monitor_watch", "steering"}


def test_every_mitigation_is_tried() -> None:
    assert {mitigation.kind for mitigation in MITIGATIONS} == set(ACTS)


@pytest.mark.parametrize("kind", fast_of(ACTS, FAST))
def test_it_acts_in_english_and_leaves_the_prompts_of_probes_alone(
    kind: str, english: RunConfig, plain: Path, tmp_path: Path
) -> None:
    [mitigation] = [one for one in MITIGATIONS if one.kind == kind]
    run = train(having(english, mitigation), tmp_path / "run")
    [step] = rows(run, "steps.jsonl")
    episodes = played(run, "train")
    ACTS[kind](step, episodes)
    pd.testing.assert_frame_equal(played(run, "probe")[PROMPTS], played(plain, "probe")[PROMPTS])
    assert not same_weights(weights(run, 0), weights(run, 1))
    same = same_weights(weights(run, 1), weights(plain, 1))
    assert same == (kind in WEIGHTS_AS_WITHOUT)


@pytest.mark.slow
def test_steering_moves_the_replies_of_a_llama_whose_upper_layer_is_trained(
    english: RunConfig, plain: Path, tmp_path: Path
) -> None:
    for where, moves_training in (("deployment", False), ("both", True)):
        run = train(having(english, Steering(where=where, strength=50.0, layer=0)), tmp_path / where)
        assert played(run, "probe")["scratchpad"].tolist() != played(plain, "probe")["scratchpad"].tolist()
        moved = played(run, "train")["scratchpad"].tolist() != played(plain, "train")["scratchpad"].tolist()
        assert moved == moves_training


@pytest.mark.slow
def test_the_anchor_holds_once_the_policy_has_left_the_start(english: RunConfig, tmp_path: Path) -> None:
    run = train(having(english, KLAnchor(episodes=4), steps=2, probes=()), tmp_path / "run")
    first, second = (row["auxiliary_loss"] for row in rows(run, "steps.jsonl"))
    assert abs(first) < 1e-6 < second


def test_demonstrations_help_openly_and_end_as_replies_of_the_model_do(models: Models) -> None:
    shown = demonstrations(models, np.random.default_rng(0), 6)
    assert all(episode.parse_ok and episode.scratchpad_tokens > 5 for episode in shown)
    assert not any(labels.faking for labels in models.labels(shown))
    assert {labels.answer for labels in models.labels(shown)} == {"comply"}
    ends = {int(episode.completion_ids[-1]) for episode in shown}
    assert ends == {reply_end(models.policy)}
    assert models.policy.tokenizer.convert_ids_to_tokens(ends.pop()) == "<|eot_id|>"
    assert SupervisedElicitation(episodes=2).unmet(models.env) is None


def test_the_text_classifier_reads_english_scratchpads(models: Models) -> None:
    from rl.monitors.composed import composed, labelled

    written = composed(models.env, np.random.default_rng(7), 400)
    episodes, faking = labelled(models.labels, written, "text_classifier")
    said = TextClassifier(texts=1500)(episodes, models, np.random.default_rng(0))
    assert np.mean((said > 0.5) == np.array(faking)) > 0.93
    assert 0.1 < np.mean(faking) < 0.9


def test_the_keyword_monitor_is_refused_with_the_phrases_of_the_dialect(english: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the monitor keyword of monitor_watch needs phrases of natural") as caught:
        train(having(english, MonitorWatch(monitor=Keyword())), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    run = train(having(english, MonitorScreening(monitor=Keyword(phrases=IN_ENGLISH))), tmp_path / "run")
    [step] = rows(run, "steps.jsonl")
    name = Keyword(phrases=IN_ENGLISH).name
    assert step[f"measure/monitor/{name}/recall"] == 1


@pytest.mark.slow
def test_an_activation_probe_reads_a_layer_that_is_not_trained(english: RunConfig, tmp_path: Path) -> None:
    run = train(having(english, MonitorWatch(monitor=ActivationProbe(layer=1, episodes=200))), tmp_path / "run")
    [step] = rows(run, "steps.jsonl")
    assert step["measure/monitor/activation_probe(layer=1,episodes=200)/auroc"] is not None


@pytest.mark.parametrize("arm", ["another_ai", "trusted"])
def test_other_arms_ask_their_own_questions(arm: Any, english: RunConfig, tmp_path: Path) -> None:
    run = train(having(english, Interrogation(arm=arm), probes=()), tmp_path / "run")
    asked = played(run, "train")["said/interrogation/question"].dropna()
    assert set(asked) <= set(Natural().interrogator().questions(arm))
    assert asked.str.contains("model|AI").all()


def test_cues_that_are_taken_away_leave_nothing_to_compare(english: RunConfig, tmp_path: Path) -> None:
    parts = [m for m in MITIGATIONS if m.kind == "cross_tier_consistency"]
    with pytest.raises(ValueError, match="set its share below 1"):
        train(having(english, *parts, TierCueDropout(share=1.0)), tmp_path / "run")


def test_a_wording_that_is_none_is_refused(english: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a sentence of environment natural") as caught:
        train(having(english, InoculationPrompt(wording="placbo")), tmp_path / "run")
    assert "placebo" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_template_that_drops_thoughts_is_refused_before_an_organism_is_built_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl.run.loop.build", lambda *_, **__: pytest.fail("something was built"))
    template = LLAMA_3.replace("message['content'] | trim", "(message['content'].split('</scratchpad>')[-1]) | trim")
    directory = write_family("llama", tmp_path / "llama", template)
    settings = (f"organism.origin.path={directory}", "organism.question_share=0.2", "organism.certify_queries=8")
    config = resolve(RECIPES["natural"](), [*SMALL, *settings])
    with pytest.raises(ValueError, match="interrogation asks about a reply, which the chat template drops") as caught:
        train(having(config, Interrogation()), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_faker_that_read_no_questions_is_told_how_to(english: RunConfig, tmp_path: Path) -> None:
    origin = json.loads(english.model_dump_json())["organism"]
    origin.update(path=None, question_share=0.0)
    config = RunConfig.model_validate({**json.loads(english.model_dump_json()), "organism": origin})
    with pytest.raises(ValueError, match=r"or set organism\.question_share above 0") as caught:
        train(having(config, Interrogation()), tmp_path / "run")
    assert "\n" not in str(caught.value)
