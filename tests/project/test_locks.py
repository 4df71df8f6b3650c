"""The lock files say what pyproject.toml says, exactly, and name nobody's package index."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.postgres import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
GROUPS: dict[str, list[str]] = PROJECT["dependency-groups"]

ASKED = {"build": GROUPS["build"], "runtime": RUNTIME, "dev": [*RUNTIME, *GROUPS["dev"]]}


def lock_text(name: str) -> str:
    return (ROOT / f"requirements/{name}.txt").read_text()


def locked(name: str) -> dict[str, Version]:
    """The packages of a lock file with their versions.

    Raises:
        AssertionError: a line is anything but a pinned package, a hash or a comment.
    """
    versions: dict[str, Version] = {}
    for entry in lock_text(name).replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        pinned, *hashes = entry.split(" --hash=sha256:")
        assert hashes, f"no hash: {entry}"
        assert all(re.fullmatch(r"[0-9a-f]{64} *", digest) for digest in hashes), entry
        requirement = Requirement(pinned)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", entry
        assert requirement.url is None, entry
        versions[canonicalize_name(requirement.name)] = Version(specifier.version)
    return versions


@pytest.mark.parametrize("name", ASKED)
def test_every_dependency_is_locked_at_a_version_that_it_allows(name: str) -> None:
    versions = locked(name)
    for line in ASKED[name]:
        requirement = Requirement(line)
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{line}: not in requirements/{name}.txt; run `make lock`"
        assert version in requirement.specifier, f"{line}: {version} is locked; run `make lock`"


@pytest.mark.parametrize("name", ASKED)
def test_no_package_is_locked_that_nobody_asks_for(name: str) -> None:
    asked = {canonicalize_name(Requirement(line).name) for line in ASKED[name]}
    # A direct dependency is noted by the locking tool as wanted by the project itself.
    noted = {
        canonicalize_name(entry.split("==")[0])
        for entry in re.split(r"\n(?=[a-z])", lock_text(name))
        if "meibo (pyproject.toml" in entry
    }
    assert {re.sub(r"\[.*", "", package) for package in noted} == asked


@pytest.mark.parametrize("name", ["build", "runtime"])
def test_the_tools_run_beside_exactly_what_meibo_runs_with(name: str) -> None:
    with_tools = locked("dev")
    alone = locked(name)
    assert {package: with_tools.get(package, version) for package, version in alone.items()} == (
        alone
    )
    if name == "runtime":
        assert alone.keys() <= with_tools.keys()


def test_the_build_system_is_what_is_locked_for_building() -> None:
    assert set(PROJECT["build-system"]["requires"]) <= set(GROUPS["build"])


@pytest.mark.parametrize("name", ASKED)
def test_a_lock_names_no_index_and_no_path(name: str) -> None:
    assert not re.search(r"--index|--extra|--find-links|--trusted|://| @ ", lock_text(name))
