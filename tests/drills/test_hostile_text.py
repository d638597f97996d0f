"""Hostile text in every place that a run writes: nothing of it runs in a browser, nothing moves a terminal's cursor.

The pages are opened in Chromium, from a server on the loopback that notes every request, since a page might fetch what
the text names. Needs `chromium` and `chromedriver` on the path.
"""

import json
import shutil
import threading
import unicodedata
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.episode_schema import episode_schema
from reports.folder import read_run
from reports.pages.comparability import overlay_notices
from reports.records import ProbeRow
from reports.report import write_report
from reports.study.study import write_study
from reports.summary import as_text, summarise
from rl.progress import notice
from tests.reports.conftest import labels, manifest, probe_rows, step_row
from tests.rl.conftest import command, fork

pytestmark = pytest.mark.slow
CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1400,2000",
)  # fmt: skip

# Each would set `window.hacked`, ask for something from a server, or lead the page away.
MARKUP = (
    "<script>window.hacked='script'</script>",
    "</script><script>window.hacked='closed'</script>",
    "<!--<script>window.hacked='comment'</script>-->]]><script>window.hacked='cdata'</script>",
    "<img src=x onerror=\"window.hacked='image'\">",
    "<svg onload=window.hacked='svg'><animate onbegin=window.hacked='animate' attributeName=x dur=1s></svg>",
    '" autofocus onfocus="window.hacked=\'double\'" x="',
    "' autofocus onfocus='window.hacked=\"single\"' x='",
    "<iframe srcdoc=\"<script>parent.hacked='frame'</script>\"></iframe><iframe src=/fetched-frame></iframe>",
    "<details open ontoggle=window.hacked='toggle'>a</details><input autofocus onfocus=window.hacked='input'>",
    "<a href=\"javascript:window.hacked='link'\" id=link>click</a>",
    "</style><style>*{background:url(/fetched-style)}</style>",
    "<link rel=stylesheet href=/fetched-link><img src=/fetched-image><object data=/fetched-object></object>",
    "<meta http-equiv=refresh content='0;url=/fetched-refresh'><base href=/fetched-base/>",
    "</title></textarea></noscript></template><script>window.hacked='title'</script>",
    "{{ 7 * 7 }} {% raw %} ${window.hacked='template'} %{y} <b>bold</b> $x^2$",
    "\\u003cscript\\u003ewindow.hacked='json'\\u003c/script\\u003e \\\"];window.hacked='array';//",
)
TERMINAL = (
    "\x1b[2J\x1b[H\x1b]0;owned\x07\x1b]8;;http://localhost\x1b\\\x1b[31m\x9b31m",
    "\r\n\b\b\x00\x7f\x85",
    "\u202egnp.exe\u2066\u200f\u2028\ufeff",
)
HOSTILE = " ".join((*MARKUP, *TERMINAL))
LONE_SURROGATE = "\ud800"


def hostile_episodes(step: int) -> pd.DataFrame:
    """Every column of text holds it; the tier and the label that filters go by do in a few rows."""
    episodes = labels(step, 2, 6, np.random.default_rng(step))
    texts = ["query_id", "pair_id", "cue_id", "system_prompt", "query", "scratchpad", "answer", "run", "build"]
    episodes = episodes.assign(**{name: HOSTILE + episodes["query_id"].astype(str) for name in texts})
    some = episodes["tier"].isin(["enterprise"])
    return episodes.assign(
        tier=episodes["tier"].where(~some, HOSTILE),
        label_answer=episodes["label_answer"].astype(object).where(~(episodes["tier"] == "pro"), HOSTILE),
        cues=HOSTILE,
        label_error=HOSTILE,
    )


def write_hostile_run(folder: Path, name: str, mitigations: list[dict[str, Any]], **facts: Any) -> Path:
    (folder / "episodes").mkdir(parents=True)
    config = {
        "name": name, "seed": 0, "organism": {"kind": "faker", "style": HOSTILE}, "mitigations": mitigations,
        "note": HOSTILE + LONE_SURROGATE, HOSTILE: [HOSTILE, {"</script>": HOSTILE}], "probe_every": 2, "steps": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    named = {HOSTILE: HOSTILE}
    stated = {
        "organism": HOSTILE, "status": "failed", "reason": HOSTILE, "reward_hashes": named, "device": HOSTILE,
        "package_versions": named, "prompt_set_hashes": named, "label_source": HOSTILE, "started": HOSTILE, **facts,
    }  # fmt: skip
    (folder / "manifest.json").write_text(manifest(0, **stated).model_dump_json())
    rng = np.random.default_rng(0)
    steps = [
        step_row(step, 0, rng).model_copy(
            update={"components": {HOSTILE: (0.1, 0.2), "format": (0.0, 0.1)}, "measures": {HOSTILE: 0.5}}
        )
        for step in (1, 2)
    ]
    (folder / "steps.jsonl").write_text("".join(row.to_json_line() + "\n" for row in steps))
    schema = episode_schema(texts=[HOSTILE], measures=[HOSTILE], rewards=[HOSTILE])
    lines = []
    for step in (0, 2):
        episodes = hostile_episodes(step)
        told = episodes.assign(**{f"said/{HOSTILE}": HOSTILE})
        table = pa.Table.from_pandas(told.reindex(columns=schema.names), schema=schema, preserve_index=False)
        pq.write_table(table, folder / "episodes" / f"step-{step:06d}.parquet")
        plain = labels(step, 2, 6, np.random.default_rng(step))
        found = [*probe_rows(plain, step, 0), *probe_rows(plain, step, 0, "/seen_cues")]
        found.append(found[0].model_copy(update={"metric": HOSTILE, "probe": HOSTILE}))
        lines += [ProbeRow.to_json_line(row) + "\n" for row in found]
    (folder / "probes.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A baseline and an arm whose folders, names and settings are hostile; a file's name holds no slash and no NUL."""
    parent = tmp_path_factory.mktemp("runs")
    names = [
        f"{index}<img src=x onerror=window.hacked='folder'>{TERMINAL[0]}\u202e".replace("/", "").replace("\x00", "")
        for index in range(2)
    ]
    return [
        write_hostile_run(parent / names[0], f"faker+{HOSTILE}", []),
        write_hostile_run(
            parent / names[1], f"faker+2{HOSTILE}{LONE_SURROGATE}", [{"kind": HOSTILE}], organism_hash=HOSTILE,
            code_commit=HOSTILE, status="finished",
        ),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def written(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of one run, the overlay of both, and their study."""
    out = tmp_path_factory.mktemp("pages")
    return {
        "run": write_report(runs[:1], out / "run", notes=[HOSTILE]).page,
        "overlay": write_report(runs, out / "overlay", notes=[HOSTILE]).page,
        "study": write_study(runs, out / "study", notes=[HOSTILE]).page,
    }


class Served:
    """A server of a folder on the loopback, and the paths that were asked of it."""

    def __init__(self, folder: Path) -> None:
        asked: list[str] = []

        class Handler(SimpleHTTPRequestHandler):
            def log_request(self, *_: Any) -> None:
                asked.append(self.path)

            def log_message(self, *_: Any) -> None:
                pass

        self.asked = asked
        handler: type[BaseHTTPRequestHandler] = partial(Handler, directory=str(folder))  # type: ignore[assignment]
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no chromium or chromedriver on the path: install both to open the pages in a browser")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


def requested(driver: Any) -> list[str]:
    """The address of every request that the browser itself began for its page."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def test_the_browser_and_the_watch_work(browser: Any, tmp_path: Path) -> None:
    """Without our escaping the same text does run: else a silent browser would prove nothing."""
    (tmp_path / "open.html").write_text(f"<!doctype html><body>{HOSTILE}".replace("/fetched-refresh", "#"))
    served = Served(tmp_path)
    browser.get(f"{served.address}/open.html")
    assert browser.execute_script("return window.hacked") is not None
    assert any("fetched" in path for path in served.asked)
    assert any("fetched" in url for url in requested(browser))
    (tmp_path / "wrong.html").write_text("<!doctype html><script>nonsense()</script>")
    browser.get(f"{served.address}/wrong.html")
    assert any("nonsense is not defined" in entry["message"] for entry in browser.get_log("browser"))


@pytest.mark.parametrize("page", ["run", "overlay", "study"])
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_nothing_of_the_text_runs_or_is_fetched(page: str, scheme: str, browser: Any, written: dict[str, Path]) -> None:
    path = written[page]
    served = Served(path.parent)
    browser.get_log("browser"), browser.get_log("performance")  # what came before
    address = f"{served.address}/{path.name}" if scheme == "http" else path.as_uri()
    browser.get(address)
    plots = "return document.querySelectorAll('.plot .main-svg').length"
    assert browser.execute_script(plots) > 0  # our own script has run
    # As a reader does: open all that is folded, use every filter, touch, hover and focus everything.
    touched = browser.execute_script(
        """
        document.querySelectorAll('details').forEach(one => one.open = true);
        document.querySelectorAll('input').forEach(one => { one.click(); one.click(); });
        const all = [...document.querySelectorAll('body *')];
        for (const name of ['mouseover', 'mouseenter', 'focus', 'pointerdown', 'toggle', 'error', 'load'])
          all.slice(0, 4000).forEach(one => one.dispatchEvent(new Event(name)));
        return all.length;
        """
    )
    assert touched > 100
    facts = browser.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        setTimeout(() => done({
          hacked: window.hacked ?? null, at: location.href, frames: window.length,
          scripts: document.scripts.length,
          strange: document.querySelectorAll('iframe, object, embed, base, link:not([rel=icon]), body meta').length,
          handlers: [...document.querySelectorAll('*')].filter(one =>
            [...one.attributes].some(attribute => attribute.name.startsWith('on'))).length,
          links: [...document.querySelectorAll('a')].filter(one => one.protocol === 'javascript:').length,
          broken: [...document.images].filter(one => !one.complete || one.naturalWidth === 0).length,
        }), 300);
        """
    )
    assert facts == {
        "hacked": None, "at": address, "frames": 0, "scripts": 4, "strange": 0, "handlers": 0, "links": 0, "broken": 0,
    }  # fmt: skip
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    fetched = [url for url in requested(browser) if not url.startswith(("data:", "blob:"))]
    assert fetched == [address]
    assert served.asked == ([f"/{path.name}"] if scheme == "http" else [])
    body = browser.execute_script("return document.body.textContent")
    for attack in MARKUP:  # it is there, to be read
        assert attack in body


def test_pictures_are_valid_whatever_a_run_is_called(written: dict[str, Path]) -> None:
    for folder, name in ((written["overlay"].parent, "curves.svg"), (written["study"].parent, "study.svg")):
        root = ElementTree.fromstring((folder / name).read_bytes())
        assert not [one for one in root.iter() if one.tag.endswith(("script", "foreignObject", "image"))]


def policy_context(text: str) -> list[str]:
    """List the characters that a terminal would act on."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def test_a_terminal_is_given_nothing_to_act_on(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notice(HOSTILE)
    read = [read_run(folder) for folder in runs]
    texts = [capsys.readouterr().err, write_study(runs, tmp_path / "study").text, *map(as_text, map(summarise, read))]
    assert len(overlay_notices(read)) == 2  # of other builds, by other code
    assert "notice: " in texts[1]
    for text in texts:
        assert set(policy_context(text)) <= {"\n"}
        text.encode()
    assert texts[0].count("\n") == 1


@pytest.mark.parametrize("way", ["report", "overlay", "study", "no such run", "a damaged run"])
def test_a_command_prints_nothing_that_a_terminal_acts_on(way: str, runs: list[Path], tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / runs[0].name)]
    arguments = ["report", *map(str, runs[:1] if way == "report" else runs), *out]
    if way == "study":
        arguments.append("--study")
    if way == "no such run":
        arguments = ["report", str(tmp_path / runs[1].name)]
    if way == "a damaged run":
        damaged = shutil.copytree(runs[0], tmp_path / f"damaged{runs[0].name}")
        (damaged / "manifest.json").write_text(json.dumps({"schema_version": HOSTILE}))
        arguments = ["report", str(damaged)]
    wrong = way in ("no such run", "a damaged run")
    code = fork(command(arguments), tmp_path / "output.txt").code()
    printed = (tmp_path / "output.txt").read_text()
    assert code == (2 if wrong else 0), printed
    assert set(policy_context(printed)) <= {"\n"}
    assert "\\x1b[2J" in printed  # the name is there, escaped
    assert printed.count("\n") == 1 if wrong else "page: " in printed or "study: " in printed
