"""Commands where the terminal, the file system or the working directory isn't what it was."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reports.terminal_text import printable
from rl.organisms.faker import Faker
from rl.run.config import RunConfig
from rl.run.folder import default_folder
from tests.rl.conftest import Gyges, same_run


def speaking(encoding: str) -> Callable[[], None]:
    """Gives the child that calls this the streams that PYTHONIOENCODING=<encoding> gives."""

    def change() -> None:
        sys.stdout = os.fdopen(1, "w", encoding=encoding, errors="strict", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding=encoding, errors="backslashreplace", buffering=1, closefd=False)

    return change


@pytest.fixture
def settings(tiny: RunConfig, tmp_path: Path) -> Path:
    """The tiny run of one step as a file."""
    file = tmp_path / "settings.json"
    file.write_text(tiny.model_copy(update={"steps": 1, "name": "na\u00efve"}).model_dump_json())
    return file


@pytest.fixture(scope="module")
def read_only(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system that nobody can write to, root included, with a finished run on it."""
    place = tmp_path_factory.mktemp("read_only")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting isn't permitted here: {mounted.stderr.decode().strip()}")
    try:
        shutil.copytree(finished, place / "run")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_every_output_survives_a_terminal_of_ascii(gyges: Gyges, settings: Path, tmp_path: Path) -> None:
    run = tmp_path / "r\u00fcn"
    done = gyges("train", str(settings), "--out", str(run), prepare=speaking("ascii"))
    assert done.code == 0, done.output
    assert f"page:   {tmp_path}/r\\xfcn/report.html" in done.output
    for command in (["report", str(run)], ["probe", str(run)], ["report", "--study", str(run), str(run)]):
        done = gyges(*command, prepare=speaking("ascii"))
        assert "Traceback" not in done.output
        assert done.output.isascii()
        assert done.code == (2 if "--study" in command else 0), done.output
    done = gyges("probe", str(run), "--json", prepare=speaking("ascii"))
    assert all(json.loads(line)["n"] >= 0 for line in done.output.splitlines() if line.startswith("{"))
    for what in ("recipes", "sweeps", "mitigations", "queries"):
        done = gyges("list", what, prepare=speaking("ascii"))
        assert (done.code, done.output.isascii()) == (0, True)
    for command in (["train", "--help"], ["report", "--help"], ["sweep", "--help"], ["trian"]):
        done = gyges(*command, prepare=speaking("ascii"))
        assert "Traceback" not in done.output
        assert done.output.isascii()


def test_the_environment_variable_is_that_setting(tmp_path: Path) -> None:
    code = "import sys; from rl.cli.main import main; sys.argv = ['gyges', 'report', 'n\u00f6where']; main()"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.decode("ascii").startswith("gyges: n\\xf6where is not a run folder")


@pytest.mark.parametrize(
    "command",
    [
        ["train", "SETTINGS", "--out", "PLACE/new"],
        ["train", "SETTINGS", "--out", "PLACE/run"],
        ["resume", "PLACE/run"],
        ["report", "PLACE/run"],
        ["report", "PLACE/run", "--out", "PLACE/page"],
        ["sweep", "controls", "--backend", "local", "--out", "PLACE/sweep"],
        ["organism", "build", "faker"],
        ["train", "SETTINGS", "--out", "/proc/new"],
        ["train", "SETTINGS", "--out", "/dev/null/new"],
        ["train", "SETTINGS", "--out", "SETTINGS"],
        ["train", "SETTINGS", "--out", "/tmp/" + "x" * 300],
    ],
    ids=lambda command: " ".join(command)[:60],
)
def test_a_place_that_can_not_be_written_to_is_one_line(
    command: list[str], gyges: Gyges, settings: Path, read_only: Path
) -> None:
    given = [part.replace("SETTINGS", str(settings)).replace("PLACE", str(read_only)) for part in command]

    def keep_builds_there() -> None:
        os.environ["GYGES_CACHE"] = str(read_only / "cache")

    done = gyges(*given, prepare=keep_builds_there)
    assert done.code == 2, done.output
    lines = [line for line in done.output.splitlines() if not line.startswith(("run folder: ", "sweep folder: "))]
    assert len(lines) == 1, done.output
    assert lines[0].startswith("gyges: ")
    if "organism" in command:
        assert "GYGES_CACHE" in lines[0]


def test_a_run_on_a_read_only_place_can_be_probed_and_its_page_written_elsewhere(
    gyges: Gyges, read_only: Path, tmp_path: Path
) -> None:
    assert gyges("probe", str(read_only / "run")).code == 0
    assert gyges("report", str(read_only / "run"), "--out", str(tmp_path / "page")).code == 0
    assert (tmp_path / "page" / "report.html").is_file()


def test_every_path_on_the_command_line_knows_the_home_directory(gyges: Gyges, settings: Path, tmp_path: Path) -> None:
    def at_home() -> None:
        os.environ["HOME"] = str(tmp_path)

    done = gyges("train", "~/settings.json", "--out=~/run", prepare=at_home)
    assert done.code == 0, done.output
    assert (tmp_path / "run" / "report.html").is_file()
    for command in (["resume", "~/run"], ["probe", "~/run"], ["report", "~/run", "--out=~/page"]):
        assert gyges(*command, prepare=at_home).code == 0
    assert (tmp_path / "page" / "report.html").is_file()
    done = gyges("sweep", "~/none.py:arms", prepare=at_home)
    assert f"no such file: {tmp_path}/none.py" in done.output
    done = gyges("train", "--set", "organism.path=~/none", "--out", "run", prepare=at_home)
    assert f"organism.path={tmp_path}/none is not a directory" in done.output


def test_the_commands_of_a_hint_can_be_pasted(gyges: Gyges, settings: Path, tmp_path: Path) -> None:
    run = tmp_path / "my run's"
    assert gyges("train", str(settings), "--out", str(run)).code == 0
    hints = [
        gyges("train", str(settings), "--out", str(run)).output,
        gyges("resume", str(tmp_path / "no run")).output,
        gyges("train", f"{run}/").output,
    ]
    for hint, wanted in zip(
        hints, (["resume", str(run)], ["train", "--out", str(tmp_path / "no run")], None), strict=True
    ):
        command = shlex.split(hint.split("`")[1])
        assert command == ["gyges", *(wanted or ["resume", str(run)])]


def test_a_folder_with_control_characters_moves_no_cursor(gyges: Gyges, settings: Path, tmp_path: Path) -> None:
    run = tmp_path / "a\x1b[2J\x07\u202eb\nc"
    done = gyges("train", str(settings), "--out", str(run))
    assert done.code == 0, done.output
    outputs = [done.output]
    paths = (run, f"{run}x")
    outputs += [gyges(command, str(path)).output for command in ("resume", "probe", "report") for path in paths]
    for output in outputs:
        assert output == "\n".join(printable(line) for line in output.split("\n"))
    assert f"{printable(str(run))}/report.html" in outputs[0]


def test_a_relative_base_is_found_from_every_directory(
    gyges: Gyges, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    here = tmp_path / "here"  # where commands start
    shutil.copytree(organism_path, here / "base")
    config = tmp_path / "settings.json"
    data = {**tiny.model_dump(mode="json"), "steps": 2, "lora": {"rank": 2}}
    config.write_text(json.dumps({**data, "organism": {"kind": "faker", "path": "base"}}))
    run = tmp_path / "run"
    assert gyges("train", str(config), "--out", str(run)).code == 0
    assert json.loads((run / "config.json").read_text())["organism"]["path"] == str(here / "base")

    def elsewhere() -> None:
        os.chdir("/")

    assert gyges("probe", str(run), prepare=elsewhere).code == 0
    done = gyges("resume", str(run), "--step", "0", prepare=elsewhere)
    assert done.code == 0, done.output

    (here / "base").rename(here / "moved")
    for command in (["resume", str(run)], ["probe", str(run)]):
        done = gyges(*command)
        assert done.code == 2
        assert done.output.splitlines() == [
            f"gyges: organism.path={here}/base is gone, which the run in {run} was started with: put it back there, or "
            "a link to where it lies now"
        ]
    (here / "base").symlink_to("moved")
    assert gyges("resume", str(run)).code == 0
    (here / "moved" / "README.md").write_text("changed")
    done = gyges("resume", str(run))
    assert done.code == 2
    assert f"the organism (organism.path={here}/moved) isn't the one that this run was started with" in done.said[0]


def test_a_query_file_that_has_moved_or_changed_is_named(gyges: Gyges, tiny: RunConfig, tmp_path: Path) -> None:
    lines = gyges("list", "queries").output
    queries, config, run = tmp_path / "here" / "mine.jsonl", tmp_path / "settings.json", tmp_path / "run"
    queries.write_text(lines)
    config.write_text(tiny.model_copy(update={"steps": 1}).model_dump_json())
    done = gyges("train", str(config), "--set", "env.query_file=mine.jsonl", "--out", str(run))
    assert done.code == 0, done.output
    queries.write_text(lines.replace('"text": "', '"text": "now '))
    for command in ("resume", "probe"):
        done = gyges(command, str(run))
        assert (done.code, f"restore the query file (env.query_file={queries})" in done.output) == (2, True), (
            done.output
        )
    queries.unlink()
    for command in ("resume", "probe"):
        done = gyges(command, str(run))
        assert done.code == 2, done.output
        assert f"env.query_file={queries} is gone" in done.output


def test_without_adapters_a_base_that_is_gone_is_not_needed(
    gyges: Gyges, tiny: RunConfig, organism_path: Path, finished: Path, tmp_path: Path
) -> None:
    base = Path(shutil.copytree(organism_path, tmp_path / "base"))
    config, run = tmp_path / "settings.json", tmp_path / "run"
    config.write_text(tiny.model_copy(update={"organism": Faker(path=base)}).model_dump_json())
    assert gyges("train", str(config), "--out", str(run)).code == 0
    shutil.rmtree(base)
    assert gyges("resume", str(run), "--step", "2").code == 0
    assert gyges("probe", str(run)).code == 0
    same_run(run, finished)


def test_the_default_folder_is_the_same_however_a_path_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    names = set()
    for directory, path in (
        (tmp_path, "base"),
        (tmp_path, "./x/../base"),
        (Path("/"), f"{tmp_path}/base"),
        (Path("/"), "~/base"),
    ):
        monkeypatch.chdir(directory)
        names.add(default_folder(RunConfig(organism=Faker(path=Path(path))), Path("runs")))
    assert len(names) == 1


def test_a_relative_path_that_python_code_copies_in_is_stored_absolute(
    tiny: RunConfig, organism_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rl.run.loop import train

    monkeypatch.chdir(organism_path.parent)
    copied = Faker().model_copy(update={"path": Path(organism_path.name)})
    config = tiny.model_copy(update={"organism": copied, "steps": 1, "probes": ()})
    run = train(config, tmp_path / "run")
    assert json.loads((run / "config.json").read_text())["organism"]["path"] == str(organism_path.resolve())
