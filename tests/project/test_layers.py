"""Imports point one way: the contracts of pyproject.toml hold, and they bite."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import ROOT


def lint_imports(root: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def outline(tmp_path: Path) -> Path:
    """The packages without what they hold: the imports there have a test of their own."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in (ROOT / "src/meibo").rglob("__init__.py"):
        copied = tmp_path / package.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.touch()
    return tmp_path


def test_imports_point_one_way() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


def test_an_import_of_the_standard_library_is_no_matter(outline: Path) -> None:
    (outline / "src/meibo/scim/new.py").write_text("import json\n")
    done = lint_imports(outline)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "module, line",
    [
        pytest.param("scim/new.py", "import meibo.storage", id="protocol-reads-storage"),
        pytest.param("scim/new.py", "import asyncio", id="protocol-does-input-or-output"),
        pytest.param("storage/new.py", "import meibo.directory", id="storage-knows-directory"),
        pytest.param("directory/new.py", "import meibo.access", id="directory-knows-access"),
        pytest.param("directory/new.py", "import meibo.idp", id="directory-knows-vendors"),
        pytest.param("simulator/new.py", "import meibo.directory", id="simulator-peeks"),
        pytest.param("web/new.py", "import meibo.simulator", id="service-imports-simulator"),
        pytest.param("web/new.py", "import asyncpg", id="web-talks-to-a-database"),
        pytest.param("utils.py", "", id="module-in-no-layer"),
    ],
)
def test_an_import_in_the_wrong_direction_is_found(module: str, line: str, outline: Path) -> None:
    (outline / "src/meibo" / module).write_text(f"{line}\n")
    done = lint_imports(outline)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
