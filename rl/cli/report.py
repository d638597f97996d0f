"""Command `gyges report`, and the summaries that other commands print at their end."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.options import ShowSensitive, given_path
from rl.cli.terminal import show

app = typer.Typer()


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
            help="Path of the output.",
            show_default="the run folder; runs/report-... or study-...",
            parser=given_path,
            metavar="PATH",
        ),
    ] = None,
    study: Annotated[
        bool, typer.Option("--study", help="Organisms x mitigations against their baselines, in place of an overlay.")
    ] = False,
    show_sensitive: ShowSensitive = False,
) -> None:
    """Draw the curves and write the page of one run, or of several overlaid runs."""
    if study and show_sensitive:
        raise ValueError("a study shows no replies: leave out --show-sensitive, or --study")
    if study:
        _write_study(folders, out)
    else:
        write_report_of(folders, out, show_sensitive)


def write_report_of(folders: list[Path], out: Path | None, show_sensitive: bool = False) -> None:
    """Write the page and the curves of runs, print their summaries, and print the path of the page."""
    from reports.report import write_report
    from rl.progress import bar

    if out is None and len(folders) > 1:
        out = Path("runs") / ("report-" + "+".join(folder.resolve().name for folder in folders))[:200]
    with bar("report", brief=True) as update:
        update(0, 1)
        written = write_report(folders, out, show_sensitive=show_sensitive)
        update(1, 1)
    print_summaries(folders)
    show(f"page:   {written.page}", f"curves: {written.png}")


def _write_study(folders: list[Path], out: Path | None) -> None:
    """Write the study of runs, print its table, and print its path."""
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


def print_study(folders: list[Path]) -> None:
    """Print the study's table, one line per arm, and the study's notices."""
    from reports.study.study import study_table

    show(*study_table(folders).split("\n"))


def print_summaries(folders: list[Path]) -> None:
    """Print five lines per arm under its notices, and the facts that make the runs incomparable as they are."""
    from reports.figures.sheet import arms
    from reports.folder import read_run
    from reports.pages.comparability import overlay_notices
    from reports.summary import as_text, summarise, summarise_arm

    runs = [read_run(folder) for folder in folders]
    for _, arm in arms(runs):
        show(*as_text(summarise_arm(arm) if len(arm) > 1 else summarise(arm[0])).split("\n"))
    for line in overlay_notices(runs):
        show(f"notice: {line}")
