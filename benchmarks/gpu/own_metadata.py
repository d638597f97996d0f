"""The metadata of gyges on a machine where it isn't installed: manifests and the check of TRL's version read them."""

import os
import tomllib
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def provide_metadata(folder: Path) -> bool:
    """Write the metadata of pyproject.toml into `folder`, for processes started from here, unless gyges is installed.

    Returns:
        True if they were written.
    """
    try:
        metadata.version("gyges")
    except metadata.PackageNotFoundError:
        project = tomllib.loads(PROJECT.read_text())["project"]
    else:
        return False
    written = folder / f"gyges-{project['version']}.dist-info"
    written.mkdir(parents=True)
    required = [f"Requires-Dist: {dependency}" for dependency in project["dependencies"]]
    head = ["Metadata-Version: 2.1", "Name: gyges", f"Version: {project['version']}"]
    (written / "METADATA").write_text("\n".join([*head, *required]) + "\n")
    found = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(found)
    return True
