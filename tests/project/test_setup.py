"""The set-up on machines that lack something: what it installs, and what it says."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts import environment, postgresql
from scripts.debian import Machine


@dataclass
class Pretended:
    """A machine in a folder; it notes the commands that it is asked to run."""

    root: Path
    commands: list[str] = field(default_factory=list)
    settings_when_installing: str | None = None
    installs: bool = True

    def run(self, command: Sequence[str]) -> bool:
        self.commands.append(" ".join(command))
        if command[1] == "install" and command[-1] == "postgresql" and self.installs:
            settings = self.root / postgresql.CLUSTER_SETTINGS
            self.settings_when_installing = settings.read_text() if settings.exists() else None
            put_programs(self.root / postgresql.DEBIAN_FOLDER / "15/bin", 15)
        return self.installs

    def machine(self, *, root_user: bool = True, apt: bool = True) -> Machine:
        return Machine(root=self.root, is_superuser=root_user, has_apt=apt, run=self.run)


def put_programs(folder: Path, version: int) -> None:
    folder.mkdir(parents=True)
    for name in postgresql.PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}.1 (Debian)'\n")
        (folder / name).chmod(0o755)


@pytest.fixture
def pretended(tmp_path: Path) -> Pretended:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('NAME="Debian GNU/Linux"\nID=debian\n')
    return Pretended(tmp_path)


@pytest.mark.parametrize(
    "os_release, expected",
    [
        pytest.param("ID=debian\n", True, id="debian"),
        pytest.param('ID=ubuntu\nID_LIKE="debian"\n', True, id="ubuntu"),
        pytest.param('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True, id="mint"),
        pytest.param('ID=fedora\nVARIANT_ID="debian"\n', False, id="fedora"),
        pytest.param(None, False, id="unknown"),
    ],
)
def test_debian_and_its_relatives_are_recognised(
    os_release: str | None, expected: bool, pretended: Pretended
) -> None:
    path = pretended.root / "etc/os-release"
    path.unlink()
    if os_release is not None:
        path.write_text(os_release)
    assert pretended.machine().is_debian is expected


def test_debian_is_told_to_start_no_server_before_one_is_installed(pretended: Pretended) -> None:
    programs = postgresql.provide(pretended.machine(), search_path="")
    assert programs == pretended.root / "usr/lib/postgresql/15/bin"
    assert "create_main_cluster = false\n" in (pretended.settings_when_installing or "")
    assert pretended.commands == [
        "apt-get update --quiet",
        "apt-get install --yes --no-install-recommends postgresql",
    ]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("#create_main_cluster = true\nssl = on", id="default"),
        pytest.param("create_main_cluster = true\n", id="wanted-so-far"),
        pytest.param("create_main_cluster=false\n", id="already-forbidden"),
    ],
)
def test_other_settings_of_debian_stay_as_they_are(before: str, tmp_path: Path) -> None:
    settings = tmp_path / postgresql.CLUSTER_SETTINGS
    settings.parent.mkdir(parents=True)
    settings.write_text(before)
    postgresql.forbid_main_cluster(tmp_path)
    after = settings.read_text()
    assert after.startswith(before)
    assert after.replace(" ", "").rstrip().endswith("create_main_cluster=false")
    postgresql.forbid_main_cluster(tmp_path)
    assert settings.read_text() == after


@pytest.mark.parametrize(
    "root_user, apt, os_release",
    [
        pytest.param(False, True, "ID=debian\n", id="not-root"),
        pytest.param(True, False, "ID=debian\n", id="no-apt"),
        pytest.param(True, True, "ID=fedora\n", id="not-debian"),
    ],
)
def test_who_may_not_install_is_told_the_package(
    root_user: bool, apt: bool, os_release: str, pretended: Pretended
) -> None:
    (pretended.root / "etc/os-release").write_text(os_release)
    with pytest.raises(SystemExit, match="apt-get install postgresql"):
        postgresql.provide(pretended.machine(root_user=root_user, apt=apt), search_path="")
    assert pretended.commands == []
    assert not (pretended.root / postgresql.CLUSTER_SETTINGS).exists()


def test_a_failed_installation_names_the_package(pretended: Pretended) -> None:
    pretended.installs = False
    with pytest.raises(SystemExit, match="Installing the package postgresql failed"):
        postgresql.provide(pretended.machine(), search_path="")


@pytest.mark.parametrize(
    "installed, expected",
    [
        pytest.param([], None, id="none"),
        pytest.param([9, 13], None, id="too-old"),
        pytest.param([15], 15, id="oldest"),
        pytest.param([9, 15, 17, 16], 17, id="newest-of-several"),
    ],
)
def test_the_newest_server_is_taken(
    installed: list[int], expected: int | None, tmp_path: Path
) -> None:
    for version in installed:
        put_programs(tmp_path / f"usr/lib/postgresql/{version}/bin", version)
    found = postgresql.find_programs(tmp_path, search_path="")
    assert found == (tmp_path / f"usr/lib/postgresql/{expected}/bin" if expected else None)


def test_a_folder_that_lacks_a_program_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/postgresql/16/bin"
    put_programs(folder, 16)
    (folder / "initdb").unlink()
    assert postgresql.find_programs(tmp_path, search_path="") is None


def test_programs_on_the_path_count_also_through_a_link(tmp_path: Path) -> None:
    put_programs(tmp_path / "opt/pg", 16)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/postgres").symlink_to(tmp_path / "opt/pg/postgres")
    found = postgresql.find_programs(tmp_path / "nowhere", search_path=str(tmp_path / "bin"))
    assert found == tmp_path / "opt/pg"


def test_a_missing_venv_module_is_installed_from_the_package_of_this_python(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    environment.create(tmp_path / ".venv", pretended.machine())
    package = environment.venv_package(sys.executable)
    assert pretended.commands[-1] == f"apt-get install --yes --no-install-recommends {package}"
    assert (tmp_path / ".venv/bin/python").exists()


def test_a_missing_venv_module_is_named_to_who_may_not_install(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"apt-get install python3.*-venv"):
        environment.create(tmp_path / ".venv", pretended.machine(root_user=False))
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    "executable, package",
    [
        pytest.param("/usr/bin/python3", "python3-venv", id="default"),
        pytest.param("/usr/bin/python3.12", "python3.12-venv", id="of-several"),
        pytest.param("/opt/bin/python", "python3-venv", id="other"),
    ],
)
def test_the_venv_package_is_that_of_the_python_in_use(executable: str, package: str) -> None:
    assert environment.venv_package(executable) == package


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    for name in ("build", "runtime", "dev"):
        (tmp_path / f"requirements/{name}.txt").write_text(f"{name}==1\n")
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\n[project]\nname = "meibo"\n[tool.ruff]\nline-length = 1\n'
    )
    return tmp_path


@pytest.mark.parametrize(
    "file, old, new, kinds",
    [
        pytest.param("requirements/runtime.txt", "1", "2", {"runtime", "dev"}, id="runtime-lock"),
        pytest.param("requirements/build.txt", "1", "2", {"runtime", "dev"}, id="build-lock"),
        pytest.param("requirements/dev.txt", "1", "2", {"dev"}, id="dev-lock"),
        pytest.param("pyproject.toml", "meibo", "other", {"runtime", "dev"}, id="project"),
        pytest.param("pyproject.toml", "line-length = 1", "", set(), id="tool-settings"),
    ],
)
def test_only_what_concerns_an_environment_makes_it_stale(
    file: str, old: str, new: str, kinds: set[str], checkout: Path
) -> None:
    before = {kind: environment.fingerprint(checkout, kind) for kind in environment.LOCKS}
    path = checkout / file
    path.write_text(path.read_text().replace(old, new))
    after = {kind: environment.fingerprint(checkout, kind) for kind in environment.LOCKS}
    assert {kind for kind in before if before[kind] != after[kind]} == kinds


@pytest.mark.parametrize(
    "config, expected",
    [
        pytest.param("command = /usr/bin/python3 -m venv {}\n", False, id="built-here"),
        pytest.param("command = /usr/bin/python3 -m venv --clear {}\n", False, id="cleared"),
        pytest.param("command = python3 -m venv /another/.venv\n", True, id="copied"),
        pytest.param("home = /usr/bin\n", False, id="by-another-tool"),
        pytest.param(None, True, id="missing"),
    ],
)
def test_a_copied_environment_is_built_anew(
    config: str | None, expected: bool, tmp_path: Path
) -> None:
    if config is not None:
        (tmp_path / "pyvenv.cfg").write_text(config.format(tmp_path))
    assert environment.stands_elsewhere(tmp_path) is expected
