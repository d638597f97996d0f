"""Writer of an HTML file that opens without a network.

The file's content security policy forbids it to load anything and to run any script but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from reports.figures.plots import CONFIG
from reports.terminal_text import with_visible_directions


def render(template: str, *, draw: str, plots: str, **context: object) -> str:
    """Render a template of this folder with its context; all text in the context is escaped.

    `draw`: the page's own script, run after plotly.js. `plots`: figures as JSON in which no `<` is left.
    """
    library = get_plotlyjs().replace("\r\n", "\n")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    given: dict[str, Any] = {
        **context,
        # Markup only here: our own library and script, and JSON that can't end its block.
        "library": Markup(library),
        "draw": Markup(draw),
        "plots": Markup(plots),
        "plot_config": Markup(json.dumps(CONFIG)),
        "policy": _policy(library, draw),
    }
    return environment.get_template(template).render(given)


def _shown(value: object) -> str:
    """Escape characters that turn the direction of writing, so that a name or a reply can't reorder its neighbours."""
    # Markup is our own or was escaped here already, and a script must keep its hash.
    return value if isinstance(value, Markup) else with_visible_directions(str(value))


def _policy(*scripts: str) -> str:
    """Write a content security policy that allows no connection and only the given scripts.

    Each script is named by its hash.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
