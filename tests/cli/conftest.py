"""The program as a user calls it, on a database of the test's own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from meibo.cli import main


@dataclass
class Meibo:
    """Runs commands in this process. ``environment`` goes with all of them."""

    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(
            main, arguments, env=dict(self.environment), prog_name="meibo", catch_exceptions=False
        )

    def __call__(self, *arguments: str) -> str:
        """What the command prints; it must succeed."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def refused(self, *arguments: str, code: int = 1) -> str:
        """The one line with which the command ends."""
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        line = result.stderr.removesuffix("\n")
        assert line.startswith("Error: ")
        assert "\n" not in line
        return line.removeprefix("Error: ")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nobody's configuration and data."""
    for name in ("CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    yield tmp_path
    structlog.reset_defaults()  # a refused start has sent the log to a stream that is gone


@pytest.fixture
def meibo(home: Path) -> Meibo:
    """On the SQLite database that is used when none is named."""
    return Meibo()


@pytest.fixture
def on_both(database_url: str, home: Path) -> Meibo:
    """On an empty database of either engine."""
    meibo = Meibo({"MEIBO_DATABASE": database_url})
    meibo("migrate")
    return meibo


@pytest.fixture
def settings_file(home: Path) -> Callable[[str], Path]:
    """Writes the settings file that is read when none is named."""

    def write(text: str) -> Path:
        path = home / "config" / "meibo" / "meibo.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write
