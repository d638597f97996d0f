"""Notices of differences between the runs on one page, which forbid a plain comparison."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reports.folder import Run
from reports.units import build_of

FAKING_LABELLER = "faking_labeller"  # part of the fingerprint: the version of the classifier of scratchpads
NAMED = 6  # runs of one value listed by name; further runs are counted


@dataclass(frozen=True)
class Compared:
    """A run under the name that the page gives it.

    `row`: the study's organism, in which arms are compared; "" in an overlay.
    """

    run: Run
    name: str
    row: str = ""


@dataclass(frozen=True)
class Fact:
    """A fact in which comparable runs agree.

    `found` returns the parts of the fact by name; a notice names the parts that differ. `hint` says what a difference
    does. `among` returns a key: runs are compared by this fact only with runs of the same key.
    """

    what: str
    hint: str
    found: Callable[[Run], Mapping[str, object]]
    among: Callable[[Compared], Hashable] = lambda compared: ""


def _sizes(run: Run) -> Mapping[str, object]:
    """Read the numbers of probed queries; without a setting, harmless queries are a quarter of the harmful ones."""
    harmful, harmless = run.config.get("probe_queries"), run.config.get("harmless_queries")
    if not harmless and isinstance(harmful, int):
        harmless = harmful // 4
    return {"probe_queries": harmful, "harmless_queries": harmless}


def _probed_tokens(run: Run) -> Mapping[str, object]:
    """Return the prompt token hashes without the training prompts, which a mitigation may change."""
    return {kind: digest for kind, digest in run.manifest.prompt_token_hashes.items() if kind != "training"}


def _environment(run: Run) -> Mapping[str, object]:
    """Return the environment's fingerprint without its labels, whose source is a fact of its own."""
    return {part: found for part, found in run.manifest.environment.items() if part not in ("labels", FAKING_LABELLER)}


def _labeller(run: Run) -> Mapping[str, object]:
    found = run.manifest.environment.get(FAKING_LABELLER)
    return {} if found is None else {FAKING_LABELLER: found}


def _code(run: Run) -> Mapping[str, object]:
    state = {True: " with local changes", False: "", None: ""}[run.manifest.code_dirty]
    return {"code_commit": f"{(run.manifest.code_commit or 'unknown')[:12]}{state}"}


def _last_step(run: Run) -> Mapping[str, object]:
    return {"last step": int(run.steps["step"].max()) if len(run.steps) else 0}


def _reward_seeds(run: Run) -> tuple[object, ...]:
    """Return the seeds of the rewards that are built: builds of other seeds are meant to differ."""
    return tuple(reward.get("seed") for reward in run.config.get("rewards") or () if isinstance(reward, dict))


def _organism(compared: Compared) -> Hashable:
    style = (compared.run.config.get("organism") or {}).get("style", "plain")
    return compared.row, compared.run.manifest.organism, style


def _build(compared: Compared) -> Hashable:
    """Return a key of the build that a run says it starts from: builds of other seeds are meant to differ."""
    return _organism(compared), build_of(compared.run)


def _same_draw(compared: Compared) -> Hashable:
    """Return a key of the seed and the numbers of prompts.

    Probe prompts are drawn by the seed. Numbers of prompts are a fact of their own.
    """
    return compared.row, compared.run.manifest.seed, tuple(_sizes(compared.run).values())


def _same_text(compared: Compared) -> Hashable:
    """Return a key that keeps runs with other differences apart.

    Such runs differ in prompts, build, draw or organism, and other facts say so already. Runs from before prompt tokens
    were recorded get a key of their own.
    """
    manifest = compared.run.manifest
    texts = tuple(sorted(manifest.prompt_set_hashes.items())), manifest.system_text_folded, manifest.organism_hash
    return _organism(compared), _same_draw(compared), texts, tuple(sorted(_probed_tokens(compared.run)))


FACTS = (
    Fact(
        "start from different builds of their organism (organism_hash)",
        "They have the same organism.seed, and an arm may differ from its baseline by the build. Train these again "
        "from the build of the others, or leave them out.",
        lambda run: {"organism_hash": run.manifest.organism_hash},
        _build,
    ),
    Fact(
        "were trained on different builds of a reward (reward_hashes)",
        "The reward may cause their differences. Train these again on the others' reward, or leave them out.",
        lambda run: run.manifest.reward_hashes,
        lambda compared: (compared.row, tuple(compared.run.manifest.reward_hashes), _reward_seeds(compared.run)),
    ),
    Fact(
        "probe other numbers of queries",
        "Their intervals have other widths, and their rates are of other queries. Train them again with the same.",
        _sizes,
    ),
    Fact(
        "were probed on other prompts (prompt_set_hashes) than runs of the same seed",
        "Prompts may cause their differences. Train them again with the same code and env, or leave them out.",
        lambda run: run.manifest.prompt_set_hashes,
        _same_draw,
    ),
    Fact(
        "played in other environments, or in other versions of one (environment)",
        "Queries or prompts may cause their differences. Train them again in the environment of the others, or "
        "leave them out.",
        _environment,
        lambda compared: not compared.run.manifest.environment,  # from before it was recorded
    ),
    Fact(
        "were given the system text in another place (system_text_folded)",
        "A chat template without a system turn has it in the user's, which a model may heed less or more. Compare each "
        "with runs of its own model.",
        lambda run: {"system_text_folded": run.manifest.system_text_folded},
    ),
    Fact(
        "were given the same prompts as other tokens (prompt_token_hashes) than runs of the same seed",
        "Their chat template or tokenizer differs, or the date that a template writes. Train them again with those "
        "of the others, or leave them out.",
        _probed_tokens,
        _same_text,
    ),
    Fact(
        "are labelled by another source",
        "Labels of a classifier or a judge err where the oracle's don't: the rates aren't the same measurement.",
        lambda run: {"label_source": run.manifest.label_source, **_labeller(run)},
    ),
    Fact(
        "have taken other numbers of steps",
        "Compare them at a step that all of them have probed.",
        _last_step,
    ),
    Fact(
        "were made by other code",
        "Changes of the code may cause their differences. Train them again with one version.",
        _code,
    ),
    Fact(
        "were made with other package versions",
        "The last bits of their numbers differ, and with them what is sampled. Train them again in one environment.",
        lambda run: run.manifest.package_versions,
    ),
    Fact(
        "were computed on another device or number of threads",
        "The last bits of their numbers differ, and with them what is sampled: seeds don't pair them. Train them again "
        "on one kind of machine with the same `threads`.",
        lambda run: {"device": run.manifest.device, "threads": run.manifest.thread_count},
    ),
    Fact(
        "multiplied matrices in another precision (precision)",
        "Rounding moves what is sampled, and in bfloat16 it lies between sampler and learner too. Train them again in "
        "one precision.",
        lambda run: {"precision": run.manifest.precision or "float32"},  # older folders knew no other
    ),
    Fact(
        "differ in whether torch's deterministic kernels were on (deterministic)",
        "Without them a run is another one at each call. Train them again with the same setting.",
        lambda run: {"deterministic": run.manifest.deterministic},
        lambda compared: compared.run.manifest.deterministic is None,  # from before it was recorded
    ),
    Fact(
        "were recorded under another schema",
        "Columns may have changed their meaning: see docs/reference/run-folder.md.",
        lambda run: {"schema_version": run.manifest.schema_version},
    ),
)  # fmt: skip


def comparability_notices(compared: Sequence[Compared]) -> list[str]:
    """Write a line for each fact in which the compared runs differ."""
    return [line for fact in FACTS for line in _of_fact(fact, compared)]


def overlay_notices(runs: Sequence[Run]) -> list[str]:
    """Write a line for each fact in which overlaid runs differ."""
    return comparability_notices([Compared(run, run.name) for run in runs])


def _of_fact(fact: Fact, compared: Sequence[Compared]) -> Iterator[str]:
    groups: dict[Hashable, list[Compared]] = {}
    for one in compared:
        groups.setdefault(fact.among(one), []).append(one)
    rows: dict[str, list[str]] = {}  # groups of one row, such as the groups of its seeds, share a line
    for group in groups.values():
        row = group[0].row if len({one.row for one in group}) == 1 else ""
        names = [f"{one.row}, {one.name}" if one.row != row else one.name for one in group]
        if told := _unlike_most(names, [dict(fact.found(one.run)) for one in group]):
            rows.setdefault(row, []).append(told)
    for row, found in rows.items():
        whose = f"{row}: its runs" if row else "these runs"
        yield f"{whose} {fact.what}: {'; '.join(found)}. {fact.hint}"


def _unlike_most(names: Sequence[str], found: Sequence[dict[str, object]]) -> str:
    """Name the runs that differ from the majority and one run of the majority, with values.

    Where all runs agree the text is empty.
    """
    most = max(found, key=found.count)
    others = [index for index, value in enumerate(found) if value != most]
    if not others:
        return ""
    parts = {part for index in others for part in (*most, *found[index]) if most.get(part) != found[index].get(part)}

    def values(of: dict[str, object]) -> str:
        return ", ".join(f"{part} {_short(of.get(part))}" for part in sorted(parts))

    told = [f"{names[found.index(most)]} ({values(most)})"]
    for value in [value for index, value in enumerate(found) if value != most and found.index(value) == index]:
        alike = [names[index] for index in others if found[index] == value]
        more = f" and {len(alike) - NAMED} more" if len(alike) > NAMED else ""
        told.append(f"{', '.join(alike[:NAMED])}{more} ({values(value)})")
    return f"unlike {', '.join(told)}"


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
