"""Builds ``.venv``: the locked packages, each checked against its hash, and Meibo itself, editable.

``python3 -m scripts.environment runtime`` installs what Meibo runs with, ``dev`` also the tools for
tests and checks. The second time it finds its own mark and does nothing.
"""

import hashlib
import importlib.util
import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

from scripts.debian import Machine

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"runtime": ["runtime.txt"], "dev": ["runtime.txt", "dev.txt"]}
"""The lock files that each kind of environment contains; the last one is its whole content."""


def fingerprint(root: Path, kind: str) -> str:
    """Changes whenever an environment of this kind must be installed anew."""
    with (root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    # Not the whole file: a new lint rule is no reason to install anything.
    described = json.dumps([project["build-system"], project["project"]], sort_keys=True)
    digest = hashlib.sha256(described.encode())
    for lock in ["build.txt", *LOCKS[kind]]:
        digest.update((root / "requirements" / lock).read_bytes())
    return digest.hexdigest()


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether ``command`` can be run and ends well; its output is not shown."""
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def stands_elsewhere(venv: Path) -> bool:
    """Whether ``venv`` was built for another path: its programs name their Python absolutely."""
    try:
        lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return True
    commands = [line for line in lines if line.startswith("command = ")]
    return any(Path(line.rpartition(" ")[2]) != venv for line in commands)


def is_current(root: Path, kind: str) -> bool:
    venv = root / ".venv"
    try:
        installed = (venv / f"installed-{kind}").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return (
        installed == fingerprint(root, kind)
        and not stands_elsewhere(venv)
        # Fails after Debian replaced the Python below it, and after a half-deleted folder.
        and succeeds([venv / "bin/python", "-c", "import meibo, pip"])
    )


def create(venv: Path, machine: Machine) -> None:
    """An empty virtual environment at ``venv``, with pip.

    Raises:
        SystemExit: this Python cannot create one, and we may not install what it lacks.
    """
    # Debian takes ensurepip, and so pip, out of the standard library into a package of its own.
    if importlib.util.find_spec("ensurepip") is None:
        machine.install(venv_package(sys.executable), missing="Python's venv and ensurepip modules")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=False)
    if done.returncode != 0:
        raise SystemExit(
            f"{sys.executable} could not create the virtual environment {venv} (see above).\n"
            f"On Debian and Ubuntu the package {venv_package(sys.executable)} is needed."
        )


def venv_package(executable: str) -> str:
    """Debian's package that completes the venv module of the Python at ``executable``."""
    name = Path(executable).name
    return f"{name}-venv" if name.startswith("python3.") else "python3-venv"


def install(root: Path, kind: str) -> None:
    """Install the locked packages and Meibo into ``root/.venv``.

    Raises:
        SystemExit: pip failed; it has said why.
    """
    pip = [
        str(root / ".venv/bin/python"),
        *("-m", "pip", "install", "--no-input", "--disable-pip-version-check"),
        # Errors only: a line of warning per package hides what a reader should see.
        *("--quiet", "--quiet"),
    ]
    locked = [root / "requirements/build.txt", root / "requirements" / LOCKS[kind][-1]]
    for arguments in (
        ["--require-hashes", *(f"--requirement={lock}" for lock in locked)],
        # Built with what was just installed: an isolated build would fetch unlocked packages.
        ["--no-deps", "--no-build-isolation", "--editable", str(root)],
    ):
        if subprocess.run([*pip, *arguments], cwd=root, check=False).returncode != 0:
            raise SystemExit(
                "Installing the Python packages failed (pip says above why). They come from the "
                "package index that pip is configured for; is it within reach?"
            )


def main(arguments: Sequence[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in LOCKS:
        raise SystemExit("usage: python3 -m scripts.environment runtime|dev")
    kind = arguments[0]
    if is_current(ROOT, kind):
        return
    started = time.monotonic()
    venv = ROOT / ".venv"
    contents = "Meibo" if kind == "runtime" else "Meibo and the tools for its tests"
    print(f"Setting up .venv: {contents} ...", flush=True)
    if stands_elsewhere(venv) or not succeeds([venv / "bin/python", "-m", "pip", "--version"]):
        create(venv, Machine.here())
    install(ROOT, kind)
    for included, locks in LOCKS.items():
        if set(locks) <= set(LOCKS[kind]):
            (venv / f"installed-{included}").write_text(fingerprint(ROOT, included), "utf-8")
    print(f"Ready after {time.monotonic() - started:.0f} s: .venv/bin/meibo", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
