"""Mitigations from the command line: appended in order, with what was set, or refused in one line."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

import rl.run.config
from rl.mitigations.cross_tier_consistency import CrossTierConsistency
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.mitigations.loss_mask import LossMask
from rl.mitigations.tier_cue_dropout import TierCueDropout
from rl.run.config import RunConfig, mitigated, resolve
from rl.run.overrides import assign_all, described, named_settings
from rl.scale.arms import arms


def test_they_are_appended_in_their_order_to_those_there_are() -> None:
    base = RunConfig(mitigations=(TierCueDropout(),))
    config = mitigated(base, ["loss_mask:tokens=scratchpad", "inoculation_prompt"])
    assert config.mitigations == (TierCueDropout(), LossMask(tokens="scratchpad"), InoculationPrompt())
    assert config.model_copy(update={"mitigations": base.mitigations}) == base
    assert mitigated(base, []) is base


def test_one_kind_may_come_twice_with_other_settings_and_keeps_them_apart() -> None:
    wanted = ["inoculation_prompt:wording=placebo", "inoculation_prompt:wording=faking_is_fine"]
    assert [m.model_dump()["wording"] for m in mitigated(RunConfig(), wanted).mitigations] == [
        "placebo",
        "faking_is_fine",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loss_msk", "--mitigate loss_msk: unknown mitigation 'loss_msk': did you mean 'loss_mask'?"),
        ("zzz", "unknown mitigation 'zzz': choose from loss_mask"),
        ("tier_cue_dropout:shrae=1", "--mitigate tier_cue_dropout:shrae=1: unknown key 'shrae'"),
        ("tier_cue_dropout:shrae=1", "did you mean 'share'?"),
        ("tier_cue_dropout:share", "write NAME:key=value"),
        ("tier_cue_dropout:", "write NAME:key=value"),
        ("loss_mask:kind=tier_cue_dropout", "write NAME:key=value"),
        ("tier_cue_dropout:share=0", "mitigations.0.tier_cue_dropout.share: Input should be greater than 0"),
        ("tier_cue_dropout:share=2", "mitigations.0.tier_cue_dropout.share: Input should be less than or equal to 1"),
        ("loss_mask:tokens=answers", "mitigations.0.loss_mask.tokens: Input should be 'answer' or 'scratchpad'"),
        ("cross_tier_consistency:weight=-1", "mitigations.0.cross_tier_consistency.weight: Input should be greater"),
        ("cross_tier_consistency:weight=Infinity", "mitigations.0.cross_tier_consistency.weight"),
    ],
)
def test_a_wrong_one_is_explained_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        mitigated(RunConfig(), [text])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_one_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="holds loss_mask twice with the same settings: leave one out"):
        mitigated(RunConfig(mitigations=(LossMask(),)), ["loss_mask:tokens=answer"])
    assert len(RunConfig(mitigations=(LossMask(), LossMask(tokens="scratchpad"))).mitigations) == 2


def test_a_second_penalty_of_one_name_is_refused_before_anything_is_built() -> None:
    twice = (CrossTierConsistency(), CrossTierConsistency(weight=2.0))
    with pytest.raises(ValueError, match="two mitigations would add the reward component 'cross_tier_consistency'"):
        RunConfig(mitigations=twice)


def test_a_sweep_gives_them_to_every_arm() -> None:
    plain, changed = arms("controls"), arms("controls", (), ["loss_mask"])
    assert [arm.mitigations for arm in changed] == [(LossMask(),)] * len(plain)
    assert [arm.model_copy(update={"mitigations": ()}) for arm in changed] == plain
    with pytest.raises(ValueError, match="arm first_light: --mitigate loss_msk: unknown mitigation"):
        arms("controls", (), ["loss_msk"])


class Keyword(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["keyword"] = "keyword"
    words: tuple[str, ...] = ("training", "change")
    threshold: float = 0.5


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["exact"] = "exact"
    accuracy: float = 1.0


class Watched(BaseModel):
    """Model like a mitigation that holds a monitor."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["watched"] = "watched"
    weight: float = 1.0
    monitor: Annotated[Exact | Keyword, Field(discriminator="kind")] = Exact()


def test_a_nested_kind_brings_the_defaults_of_its_member() -> None:
    def watched(text: str) -> dict[str, Any]:
        return described(text, Annotated[Watched | LossMask, Field(discriminator="kind")], "mitigation")

    keyword = {"kind": "keyword", "words": ["training", "change"], "threshold": 0.5}
    assert watched("watched:monitor.kind=keyword") == {"kind": "watched", "weight": 1.0, "monitor": keyword}
    # A comma within JSON isn't one between settings; the kind comes first wherever it stands.
    found = watched('watched:monitor.words=["a","b"],weight=2,monitor.kind=keyword')
    assert found == {"kind": "watched", "weight": 2, "monitor": {**keyword, "words": ["a", "b"]}}
    with pytest.raises(ValueError, match=r"unknown kind 'keywrd' in 'monitor.kind': did you mean 'keyword'\?"):
        watched("watched:monitor.kind=keywrd")
    with pytest.raises(ValueError, match=r"unknown key 'threshold' in 'monitor.threshold'"):
        watched("watched:monitor.threshold=1")  # the default monitor has none


def test_a_comma_divides_settings_only_where_a_key_follows() -> None:
    assert named_settings("faker") == ("faker", [])
    assert named_settings('scripted:style=short,words=["a,b","c=d"],n=1') == (
        "scripted",
        [("style", "short"), ("words", '["a,b","c=d"]'), ("n", "1")],
    )


def test_set_knows_nested_kinds_as_well() -> None:
    class Holder(BaseModel):
        parts: tuple[Annotated[Watched | LossMask, Field(discriminator="kind")], ...] = (LossMask(), Watched())

    data = Holder().model_dump(mode="json")
    assign_all(data, [("parts.watched.monitor.kind", "keyword"), ("parts.0.tokens", "scratchpad")], Holder)
    assert Holder.model_validate(data).parts == (LossMask(tokens="scratchpad"), Watched(monitor=Keyword()))
    # A part comes before its own settings, in whichever order they are written.
    assign_all(data, [("parts.0.monitor.kind", "keyword"), ("parts.0.kind", "watched")], Holder)
    assert Holder.model_validate(data).parts[0] == Watched(monitor=Keyword())


def test_what_set_changes_the_command_line_appends_to() -> None:
    base = resolve(RunConfig(mitigations=(LossMask(),)), ["mitigations.loss_mask.tokens=scratchpad"])
    assert mitigated(base, ["tier_cue_dropout"]).mitigations == (LossMask(tokens="scratchpad"), TierCueDropout())
    assert rl.run.config.parse(base.model_dump(mode="json")) == base
