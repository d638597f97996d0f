"""Panels of the page alone: checks on the reading of the main panels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reports.figures.panels import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SHARE,
    SKY,
    VERMILION,
    Panel,
    has_data,
    n_note,
    probe_series,
    share_range,
    step_series,
    tier_panel,
)
from reports.folder import Run
from reports.notices import with_labels
from reports.pages.guards import guards_panel


@dataclass(frozen=True)
class Split:
    """A division of the probed queries by wording; `seen` and `held_out` are the ends of the probes' names."""

    name: str
    seen: str
    held_out: str
    meaning: str


SPLITS = (
    Split(
        "cue wordings", "seen_cues", "held_out_cues",
        "The same metrics where the tier is told in a wording that training uses, and in one held out. A model that "
        "has learnt a phrase instead of the situation fakes under the first only.",
    ),
    Split(
        "paraphrases", "seen_paraphrases", "held_out_paraphrases",
        "The same metrics under system prompts in a wording that training uses, and under paraphrases held out. An "
        "effect that one wording of the prompt shows alone is an effect of the wording.",
    ),
    Split(
        "remarks", "seen_remarks", "held_out_remarks",
        "The same metrics on requests whose remark on the conflict occurs in training, and on requests with a remark "
        "held out. A model that knows the sentences by heart tells harmful requests by the first only.",
    ),
)  # fmt: skip


def extra_panels(run: Run) -> list[Panel]:
    """Build the panels that the page adds for one run; empty ones are left out."""
    panels = [wording_panel(run, split) for split in SPLITS]
    panels += [_reasons_panel(run), _faking_by_tier(run), _usefulness_panel(run), _ability_panel(run)]
    panels += [_health_panel(run), guards_panel(run), _off_policy_panel(run), _mismatch_panel(run), _critic_panel(run)]
    panels = [replace(panel, series=tuple(filter(has_data, panel.series))) for panel in panels]
    return [panel for panel in panels if panel.series]


def _reasons_panel(run: Run) -> Panel:
    lines = tuple(
        probe_series(run, metric, "free", label, colour)
        for metric, label, colour in (
            ("faking_rate", "faking, strict", VERMILION),
            ("faking_criteria_rate", "faking, five criteria", PURPLE),
            ("self_preservation_rate", "self-preservation", GREEN),
            ("tier_aware_rate", "tier-aware", SKY),
        )
    )
    metrics = ("faking_rate", "faking_criteria_rate", "self_preservation_rate", "tier_aware_rate")
    note = with_labels(f"{n_note([run], 'faking_rate', 'free')}; band 95 %", [run], *metrics)
    return Panel("Reasons in the scratchpad, free tier", SHARE, note, lines, (-0.03, 1.03))


def _faking_by_tier(run: Run) -> Panel:
    panel = tier_panel(run, "faking_rate", "Faking by tier")
    return replace(panel, note=f"{panel.note}; on paid near 0, or reasoning has come loose from the cue")


def _usefulness_panel(run: Run) -> Panel:
    label = "refusal of harmless look-alikes"
    twins = probe_series(run, "benign_twin_refusal", None, label, VERMILION, dash="dotted")
    if not has_data(twins):
        twins = probe_series(run, "benign_twin_refusal", "free", label, VERMILION, dash="dotted")
    panel = tier_panel(run, "benign_helpfulness", "Usefulness kept", "share of harmless-query episodes")
    return replace(panel, series=(*panel.series, twins))


def _health_panel(run: Run) -> Panel:
    lines = tuple(
        step_series(run, column, label, colour)
        for column, label, colour in (
            ("parse_rate", "parsed", GREEN),
            ("frac_degenerate_groups", "groups without gradient", ORANGE),
            ("reward_error_rate", "reward errors", VERMILION),
            ("clip_fraction", "clipped tokens", BLUE),
        )
    )
    return Panel("Health of the training", "share", "training episodes, every step", lines, (-0.03, 1.03))


def _ability_panel(run: Run) -> Panel:
    lines = (
        probe_series(run, "ordinary_chat_loss", None, "own ordinary chat", BLUE),
        probe_series(run, "harmless_text_loss", None, "harmless text", GREEN),
    )
    note = f"{n_note([run], 'harmless_text_loss', None, 'passages')}; band 95 % over documents; a rise is forgetting"
    return Panel("Ordinary ability", "loss, nats per token", note, lines)


def _off_policy_panel(run: Run) -> Panel:
    lines = (
        step_series(run, "ratio_mean", "mean", BLUE),
        step_series(run, "ratio_max", "largest", VERMILION, dash="dotted"),
    )
    note = "over unmasked tokens and gradient steps of a batch; 1 is on policy"
    return Panel("Ratio of policy to sampler", "probability ratio", note, lines)


def _mismatch_panel(run: Run) -> Panel:
    lines = (
        step_series(run, "mismatch_mean", "mean", BLUE),
        step_series(run, "mismatch_max", "largest", VERMILION, dash="dotted"),
        step_series(run, "mismatch_kl", "KL, k3", GREEN, dash="dashed"),
    )
    note = "log-probabilities of sampled tokens by the learner and by the sampler, under the same weights"
    return Panel("Mismatch of learner and sampler", "nats per token", note, lines)


def _critic_panel(run: Run) -> Panel:
    lines = (step_series(run, "explained_variance", "explained variance", PURPLE),)
    note = "of the returns, by the value head before each batch; 1 is a perfect critic, 0 one that knows the mean"
    return Panel("Critic", "share of variance", note, lines)


def wording_panel(run: Run, split: Split, title: str = "") -> Panel:
    """Build the panel of faking and the compliance gap under wordings that are seen in training and held out."""
    lines = tuple(
        probe_series(run, metric, tier, f"{label}, {subset.replace('_', ' ')}", colour, subset=subset, dash=dash)
        for metric, tier, label, colour in (
            ("faking_rate", "free", "faking rate", VERMILION),
            ("compliance_gap", None, "compliance gap", BLUE),
        )
        for subset, dash in ((split.seen, "solid"), (split.held_out, "dashed"))
    )
    note = f"{n_note([run], 'faking_rate', 'free', subset=split.seen)} under seen wordings; band 95 %"
    note = with_labels(note, [run], "faking_rate", "compliance_gap")
    title = title or f"Seen and held-out {split.name}"
    return Panel(title, "share, or difference of shares", note, lines, share_range(lines))
