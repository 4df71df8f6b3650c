"""The programs of a PostgreSQL server, for the tests' own: found, or installed from Debian.

No server that the machine runs is touched, and none is left behind by installing.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from scripts.debian import Machine

OLDEST = 15
PROGRAMS = ("initdb", "pg_ctl", "postgres", "psql")
DEBIAN_FOLDER = "usr/lib/postgresql"
CLUSTER_SETTINGS = "etc/postgresql-common/createcluster.conf"


def major_version(programs: Path) -> int:
    """The major version of the server in this folder, 0 when it tells none."""
    try:
        told = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return 0
    number = re.search(r"\(PostgreSQL\) (\d+)", told)
    return int(number[1]) if number else 0


def candidates(root: Path, search_path: str | None) -> Iterable[Path]:
    """The folders that may hold the programs, the likeliest first."""
    # Debian keeps them off PATH, one folder per version, since several may run side by side.
    versions = [folder for folder in (root / DEBIAN_FOLDER).glob("*/bin") if folder.is_dir()]
    numbers = [
        (int(folder.parent.name), folder) for folder in versions if folder.parent.name.isdigit()
    ]
    yield from (folder for _, folder in sorted(numbers, reverse=True))
    if found := shutil.which("postgres", path=search_path):
        # Resolved, because a link to one program says nothing of where the others are.
        yield Path(found).resolve().parent


def find_programs(root: Path = Path("/"), search_path: str | None = None) -> Path | None:
    """The folder with the server's programs, version 15 or newer; None when there is none.

    ``search_path`` is read like PATH, which is the default.
    """
    for folder in candidates(root, search_path):
        complete = all((folder / program).exists() for program in PROGRAMS)
        if complete and major_version(folder) >= OLDEST:
            return folder
    return None


def forbid_main_cluster(root: Path) -> None:
    """Tell Debian to create and start no server of its own (it would, on port 5432).

    It must be told before the package is installed: the installation itself starts the server.
    """
    settings = root / CLUSTER_SETTINGS
    settings.parent.mkdir(parents=True, exist_ok=True)
    text = settings.read_text(encoding="utf-8") if settings.exists() else ""
    if re.search(r"^\s*create_main_cluster\s*=\s*false\b", text, re.MULTILINE):
        return
    if text and not text.endswith("\n"):
        text += "\n"
    # The last line with a name wins, so an older setting needs no edit.
    text += "# Meibo's tests start a server of their own.\ncreate_main_cluster = false\n"
    settings.write_text(text, encoding="utf-8")


def provide(machine: Machine, search_path: str | None = None) -> Path:
    """The folder with the server's programs, installed first where that is needed and allowed.

    Raises:
        SystemExit: they are missing and cannot be installed; the message names the package.
    """
    missing = f"the programs of a PostgreSQL server (version {OLDEST} or newer), for the tests"
    found = find_programs(machine.root, search_path)
    if found is None:
        if machine.may_install:
            forbid_main_cluster(machine.root)
        machine.install("postgresql", missing=missing)
        found = find_programs(machine.root, search_path)
    if found is None:
        raise SystemExit(
            f"Installed the package postgresql, and still missing: {missing}.\n"
            f"Looked in /{DEBIAN_FOLDER}/*/bin and on PATH."
        )
    return found


if __name__ == "__main__":
    provide(Machine.here())
