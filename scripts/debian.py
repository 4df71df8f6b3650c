"""Packages of Debian and its relatives: installed when we may, named when we may not."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


def _run(command: Sequence[str]) -> bool:
    """Whether ``command`` succeeded; its output is shown only when it did not."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout.decode(errors="replace"), end="", flush=True)
    return done.returncode == 0


@dataclass(frozen=True, slots=True)
class Machine:
    """What the set-up asks of the machine; the tests hand in one of their own."""

    root: Path
    """The folder that holds ``etc`` and ``usr``."""
    is_superuser: bool
    has_apt: bool
    run: Callable[[Sequence[str]], bool]

    @classmethod
    def here(cls) -> "Machine":
        return cls(
            root=Path("/"),
            is_superuser=os.geteuid() == 0,
            has_apt=shutil.which("apt-get") is not None,
            run=_run,
        )

    @property
    def is_debian(self) -> bool:
        """Whether this is Debian or says that it is like it (Ubuntu, Mint)."""
        try:
            lines = (self.root / "etc/os-release").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        named = [
            word.strip("\"'")
            for line in lines
            if line.startswith(("ID=", "ID_LIKE="))
            for word in line.partition("=")[2].split()
        ]
        return "debian" in named

    @property
    def may_install(self) -> bool:
        return self.is_superuser and self.has_apt and self.is_debian

    def install(self, package: str, *, missing: str) -> None:
        """Install ``package``, because ``missing`` ("Python's venv module") is not there.

        Raises:
            SystemExit: we may not install packages here, or installing failed. The message names
                the package and the command.
        """
        if not self.may_install:
            raise SystemExit(
                f"Missing on this machine: {missing}.\n"
                f"Install the package {package} (Debian, Ubuntu) and run the same command again:\n"
                f"    sudo apt-get install {package}"
            )
        print(f"Installing Debian's package {package}: {missing} ...", flush=True)
        # The lists of a fresh machine are empty or old: without the update, apt finds no package.
        # A mirror that fails to answer matters only if the install then fails, which says so.
        self.run(["apt-get", "update", "--quiet"])
        if not self.run(["apt-get", "install", "--yes", "--no-install-recommends", package]):
            raise SystemExit(
                f"Installing the package {package} failed (see above). It brings {missing}.\n"
                f"Install it by hand and run the same command again."
            )
