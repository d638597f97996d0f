"""The command line. Exit codes: 0 done, 1 the run or a build failed, 2 wrong input, 130 interrupted."""

import errno
import json
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from checkpoints.cache import default_root
from envs.input_files import expanded
from rl.cli import config as config_commands
from rl.cli import organism as organism_commands
from rl.cli.command_paths import given_path
from rl.cli.terminal import say, show, take_any_encoding
from rl.errors import nearest

# Quiet before anything heavy is imported; Transformers' own progress bars would interrupt ours.
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("MPLCONFIGDIR", str(default_root() / "matplotlib"))  # its list of fonts; otherwise at home

app = typer.Typer(
    name="gyges",
    help="A testbed for alignment faking in RL. Organisms are built to fake: nothing here is evidence of emergence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(organism_commands.app, name="organism")
app.add_typer(config_commands.app, name="config")

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130
# What the system says of a path that can't be used as it was meant.
WRONG_PATH = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY,
    errno.ENAMETOOLONG, errno.ELOOP,
}  # fmt: skip
Folder = Annotated[Path, typer.Argument(help="A run folder.", show_default=False, parser=given_path, metavar="FOLDER")]
Mitigate = Annotated[
    list[str] | None,
    typer.Option(
        "--mitigate",
        metavar="NAME[:KEY=VALUE,...]",
        help="Add a mitigation after those there are; may be repeated. See `gyges list mitigations`.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(help="Ray cluster for several workers, as HOST:PORT.", show_default="this machine alone"),
]


@app.command(epilog="Example: `gyges train first_light --seed 1 --set algorithm.kl_weight=0.1 --out runs/mine`")
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or the path of a config.json.")] = "first_light",
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    mitigations: Mitigate = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="builtin, or trl for TRL's own trainers.", show_default="the recipe's: builtin")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes of the trl engine, under Ray Train.", show_default="the recipe's: 1")
    ] = None,
    address: Address = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder.", show_default="runs/<recipe>-<seed>-<short hash>", parser=given_path, metavar="PATH"
        ),
    ] = None,
) -> None:
    """Train an organism, probe it, and write its run folder, curves and page."""
    from rl.run.config import mitigated, resolve

    base = _recipe(recipe)
    options = {"seed": seed, "steps": steps, "engine": engine, "workers": workers}
    chosen = [f"{key}={value}" for key, value in options.items() if value is not None]
    config = mitigated(resolve(base, [*(assignments or []), *chosen]), mitigations or [])
    from rl.run.folder import default_folder

    folder = out or default_folder(config, Path("runs"))

    def started() -> None:
        say(f"run folder: {folder}")

    if config.workers > 1:
        from rl.scale.ray_train import train_on_workers

        train_on_workers(config, folder, started, say, address)
    else:
        _refuse_address(address)
        from rl.run.loop import train as run

        run(config, folder, started)
    _write_report([folder], None)


def _refuse_address(address: str | None) -> None:
    if address is not None:
        raise ValueError("--address names a Ray cluster for several workers, and this run has one: leave it out")


@app.command(epilog="Example: `gyges resume runs/first_light-0-1a2b3c4d`")
def resume(
    folder: Folder,
    step: Annotated[int | None, typer.Option(help="Checkpoint to continue from.", show_default="the last")] = None,
    address: Address = None,
) -> None:
    """Continue a run that was stopped; it ends bit-identical to one that never was."""
    from rl.run.config import read_config

    config = folder / "config.json"
    if config.is_file() and read_config(config).workers > 1:
        from rl.scale.ray_train import resume_on_workers

        resume_on_workers(folder, step, say, address)
    else:
        _refuse_address(address)
        from rl.run.loop import resume as run

        run(folder, step)
    _write_report([folder], None)


@app.command(epilog="Example: `gyges probe runs/first_light-0-1a2b3c4d --step 40`")
def probe(
    folder: Folder,
    step: Annotated[int | None, typer.Option(help="Checkpoint to probe.", show_default="the last")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as in probes.jsonl.")] = False,
) -> None:
    """Probe a checkpoint of a run with the run's own probes, and print the rates. Nothing is written."""
    from rl.run.checkpoint_probe import probe_checkpoint

    rows = probe_checkpoint(folder, step)
    if as_json:
        for row in rows:
            show(json.dumps(row.model_dump(), allow_nan=False))  # ASCII, whatever the terminal takes
        return
    print(f"{'probe':<26} {'metric':<28} {'tier':<11} {'value':>8}  {'95 % interval':<18} {'n':>5}  unscored")
    for row in rows:
        value = "-" if row.value is None else f"{row.value:.3f}"
        interval = "-" if row.ci_low is None or row.ci_high is None else f"{row.ci_low:.3f} to {row.ci_high:.3f}"
        name = f"{row.probe:<26} {row.metric:<28} {row.tier or '':<11}"
        print(f"{name} {value:>8}  {interval:<18} {row.n:>5}  {row.unscored}")


@app.command(epilog="Example: `gyges report runs/first_light-0-1a2b3c4d runs/honest_control-0-5e6f7a8b --out compared`")
def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders; several are overlaid.", show_default=False, parser=given_path, metavar="FOLDERS..."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write.",
            show_default="the run folder; runs/report-... or study-...",
            parser=given_path,
            metavar="PATH",
        ),
    ] = None,
    study: Annotated[
        bool, typer.Option("--study", help="Organisms x mitigations against their baselines, in place of an overlay.")
    ] = False,
) -> None:
    """Draw the curves and write the page of one run, or of several laid over each other."""
    if study:
        _write_study(folders, out)
    else:
        _write_report(folders, out)


@app.command(epilog="Example: `gyges sweep controls --seeds 0..4`, or `gyges sweep my_sweep.py:arms --backend local`")
def sweep(
    name: Annotated[
        str,
        typer.Argument(metavar="SWEEP", help="A sweep's name, or FILE.py:FUNCTION that returns a list of RunConfig."),
    ],
    seeds: Annotated[str, typer.Option(help="Seeds of every arm: 0..4, or 0,2,5.")] = "0..2",
    backend: Annotated[str, typer.Option(help="ray, or local for processes without Ray.")] = "ray",
    workers: Annotated[
        int | None, typer.Option(help="Trials at a time.", min=1, show_default="the cores; 4 a GPU at most")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster that shares this file system, as HOST:PORT.", show_default="none")
    ] = None,
    threads: Annotated[int, typer.Option(help="Torch threads a trial.", min=1)] = 1,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of every arm.")
    ] = None,
    mitigations: Mitigate = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps of every trial.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="builtin, or trl for TRL's own trainers.", show_default="each arm's")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Continue trials that failed before.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Sweep folder.", show_default="runs/<sweep>-<short hash>", parser=given_path, metavar="PATH"),
    ] = None,
) -> None:
    """Run every arm under every seed, several at a time, and write one page; go on where an earlier call stopped."""
    from rl.scale.arms import arms, parse_seeds
    from rl.scale.sweep import Fleet, failures, plan, run_sweep, shortest

    chosen = [f"{key}={value}" for key, value in (("steps", steps), ("engine", engine)) if value is not None]
    fleet = Fleet(_backend(backend, address), workers, threads, address)
    wanted = arms(name, [*(assignments or []), *chosen], mitigations or [])
    planned = plan(name, wanted, parse_seeds(seeds), threads, out)
    result = run_sweep(planned, fleet, retry_failed, say)
    if not result.worked:
        say(f"nothing left to do: all {len(planned.trials)} trials have ended before")
    finished = [trial.folder for trial in result.shown]
    # With too many arms for an overlay the study is all there is.
    if result.study is not None and (result.page is None or any(trial.config.mitigations for trial in result.shown)):
        _print_study(finished)
    elif result.page is not None:
        _print_summaries(finished)
    if result.page is not None:
        show(f"page:   {shortest(result.page)}", f"curves: {shortest(result.page.with_name('curves.png'))}")
    if result.study is not None:
        show(f"study:  {shortest(result.study)}", f"figure: {shortest(result.study.with_name('study.png'))}")
    failed = failures(result.outcomes)
    for line in [*failed, *result.left_out]:
        say(line)
    if failed:
        hint = "" if retry_failed else "; --retry-failed continues those that failed before"
        sys.exit(_fail(f"{len(failed)} of {len(planned.trials)} trials failed{hint}", FAILED))


def _backend(name: str, address: str | None) -> Any:
    if name not in ("ray", "local"):
        raise ValueError(f"unknown backend {name!r}: choose ray or local")
    if name == "local" and address is not None:
        raise ValueError("--address names a Ray cluster, which --backend local doesn't use: leave one of them out")
    return name


@app.command("list", epilog="Example: `gyges list organisms`")
def list_parts(
    what: Annotated[
        str,
        typer.Argument(
            help="recipes, sweeps, organisms, algorithms, rewards, probes, mitigations, monitors or queries."
        ),
    ],
) -> None:
    """List what a run can be made of, with its settings; `queries` prints the built-in queries as JSON lines."""
    from rl.cli.catalogue import catalogue

    for line in catalogue(what):
        print(line)


@app.command(epilog="Example: `gyges play --tier free --seed 3`")
def play(
    tier: Annotated[str, typer.Option(help="free, paid, pro or enterprise.")] = "free",
    seed: Annotated[int, typer.Option(help="Which scenario.")] = 0,
    rounds: Annotated[int, typer.Option(help="How many scenarios.", min=1)] = 1,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the default run.")
    ] = None,
) -> None:
    """Answer in the policy's place, and see the labels and the reward."""
    from rl.cli.play import play_round
    from rl.run.config import RunConfig, resolve

    config = resolve(RunConfig(), assignments or [])
    for round_ in range(rounds):
        try:
            play_round(config, tier, seed + round_, ask=input, say=show)
        except EOFError:
            print()  # the prompt's line ends here
            sys.exit(INTERRUPTED)


def _recipe(name: str) -> Any:
    from rl.run.config import read_config
    from rl.run.recipes import RECIPES

    if name in RECIPES:
        return RECIPES[name]()
    if name.endswith(".json") or "/" in name:
        return read_config(expanded(name))
    raise ValueError(f"unknown recipe {name!r}: {nearest(name, RECIPES)}")


def _write_report(folders: list[Path], out: Path | None) -> None:
    from reports.report import write_report
    from rl.progress import bar

    if out is None and len(folders) > 1:
        out = Path("runs") / ("report-" + "+".join(folder.resolve().name for folder in folders))[:200]
    with bar("report", brief=True) as update:
        update(0, 1)
        written = write_report(folders, out)
        update(1, 1)
    _print_summaries(folders)
    show(f"page:   {written.page}", f"curves: {written.png}")


def _write_study(folders: list[Path], out: Path | None) -> None:
    from checkpoints.lineage import hash_config, short
    from reports.study.study import write_study
    from rl.progress import bar

    digest = short(hash_config(sorted(str(folder.resolve()) for folder in folders)))
    with bar("study", brief=True) as update:
        update(0, 1)
        written = write_study(folders, out or Path("runs") / f"study-{digest}")
        update(1, 1)
    show(*written.text.split("\n"))
    show(f"study:  {written.page}", f"figure: {written.png}", f"table:  {written.csv}")


def _print_study(folders: list[Path]) -> None:
    """Print a line an arm, and the notices of the study."""
    from reports.study.study import study_table

    show(*study_table(folders).split("\n"))


def _print_summaries(folders: list[Path]) -> None:
    """Print five lines an arm under its notices, and the facts that keep runs from being compared as they are."""
    from reports.comparability import overlay_notices
    from reports.figures.sheet import arms
    from reports.folder import read_run
    from reports.summary import as_text, summarise, summarise_seeds

    runs = [read_run(folder) for folder in folders]
    for _, arm in arms(runs):
        show(*as_text(summarise_seeds(arm) if len(arm) > 1 else summarise(arm[0])).split("\n"))
    for line in overlay_notices(runs):
        show(f"notice: {line}")


def main() -> None:
    """Runs a command and turns what it raises into one line and an exit code."""
    take_any_encoding()
    for category in (UserWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category, module=r"torch\.|transformers\.|trl\.|accelerate\.")
    # Where nothing handles it better SIGTERM unwinds like Ctrl-C: what is half made is cleared away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(_run())


def _run() -> int:
    try:
        app()  # leaves through sys.exit, with usage errors worded and Ctrl-C as 130; our own errors come through
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else FAILED
        return _fail("interrupted", INTERRUPTED) if code == INTERRUPTED else code
    except (KeyboardInterrupt, EOFError):
        return _fail("interrupted", INTERRUPTED)
    except ValueError as error:
        return _fail(str(error), WRONG_INPUT)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return _fail(
                f"no space left to write ({error}): free some; a run that was started goes on with `gyges resume`",
                FAILED,
            )
        if error.errno in WRONG_PATH:
            return _fail(f"{error}: make it writable, or choose another path", WRONG_INPUT)
        return _fail(str(error), FAILED)
    except Exception as error:  # noqa: BLE001 - sorts what is known; the rest is raised again
        return _known_failure(error)
    return 0


def _known_failure(error: Exception) -> int:
    """Errors of the loop; anything else is a defect of ours and keeps its traceback."""
    from rl.errors import BuildFailed, Interrupted, RunStopped

    if isinstance(error, Interrupted):
        return _fail(str(error), INTERRUPTED)
    if isinstance(error, RunStopped | BuildFailed):
        return _fail(str(error), FAILED)
    raise error


def _fail(message: str, code: int) -> int:
    say(f"gyges: {message}")
    return code
