"""One stage in a process of its own: `python -m benchmarks.gpu.stage NAME REQUEST RESULT`, both JSON files."""

import json
import sys
from pathlib import Path

from benchmarks.gpu.request import Request


def main() -> None:
    """Run the stage and write its result; an error ends the process with its traceback."""
    name, asked, written = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    request = Request.read(asked)
    # Imported when needed: a stage whose libraries are broken must not end the others.
    if name == "environment":
        from benchmarks.gpu.environment import measure
    elif name == "engine_135m":
        from benchmarks.gpu.engine import small as measure
    elif name == "engine_600m":
        from benchmarks.gpu.engine import large as measure
    elif name == "beside_trl":
        from benchmarks.gpu.beside_trl import measure
    elif name == "recipe":
        from benchmarks.gpu.recipe import measure
    elif name == "kill_resume":
        from benchmarks.gpu.kill_resume import measure
    else:
        sys.exit(f"no stage is called {name}")
    written.write_text(json.dumps(measure(request)))


if __name__ == "__main__":
    main()
