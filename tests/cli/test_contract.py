"""What holds for every command: help, documents, settings from three places, one clear line."""

import re
from collections.abc import Callable
from pathlib import Path

import apsw
import click
import pytest

from meibo.access.connection_settings import SETTINGS
from meibo.cli import main
from meibo.cli.command import Command, commands, setting_name
from tests.cli.conftest import Meibo

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = list(commands(main))
IDS = [" ".join(path) for path, _ in COMMANDS]


def options(command: Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


def test_the_commands_are_those_of_the_contract() -> None:
    assert IDS == [
        "attribute add",
        "attribute delete",
        "attribute list",
        "audit list",
        "connection list",
        "connection set",
        "connection show",
        "demo",
        "group list",
        "group show",
        "migrate",
        "serve",
        "simulate",
        "tenant create",
        "tenant list",
        "token activate",
        "token deactivate",
        "token delete",
        "token generate",
        "token list",
        "token renew",
        "user list",
        "user show",
    ]


@pytest.mark.parametrize("path, command", COMMANDS, ids=IDS)
def test_every_command_has_help_with_an_example(
    meibo: Meibo, path: tuple[str, ...], command: Command
) -> None:
    text = meibo(*path, "--help")
    assert command.help
    assert command.example.startswith(f"meibo {' '.join(path)}")
    assert command.example in text
    for option in options(command):
        assert option.hidden or option.help, option.name
        assert option.hidden or option.opts[-1] in text


@pytest.mark.parametrize("path, command", COMMANDS, ids=IDS)
def test_every_command_is_described(path: tuple[str, ...], command: Command) -> None:
    assert f"`meibo {' '.join(path)}" in (DOCS / "cli.md").read_text(encoding="utf-8")
    if any(each.name == "tenant" for each in command.params):
        assert any(each.name == "database" for each in command.params)


@pytest.mark.parametrize("path, command", COMMANDS, ids=IDS)
def test_every_setting_is_described(path: tuple[str, ...], command: Command) -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    for option in options(command):
        assert f"| `{setting_name(option)}` |" in text
        assert option.envvar == f"MEIBO_{setting_name(option).upper()}"


def test_no_setting_is_described_that_does_not_exist() -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE))
    real = {setting_name(option) for _, command in COMMANDS for option in options(command)}
    assert described == real | {each.name for each in SETTINGS}


@pytest.mark.parametrize("definition", SETTINGS, ids=lambda definition: definition.name)
def test_every_setting_of_a_connection_is_described(definition: object) -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    section = text[text.index("## Settings of a connection") :]
    assert f"| `{getattr(definition, 'name', '')}` |" in section


def test_the_exit_codes_are_in_the_help(meibo: Meibo) -> None:
    assert "3  the database cannot be reached" in meibo("--help")


def url_of(meibo: Meibo, *arguments: str) -> str:
    meibo.environment.setdefault("MEIBO_DESCRIPTION", "x")
    connection = f"c{len(meibo.json('connection', 'list'))}"
    issued = meibo.json(
        "token", "generate", "--idp", "other", "--connection", connection, *arguments
    )
    return issued["scim_url"].removesuffix("/scim/v2")


def test_the_command_line_comes_before_the_environment_before_the_file(
    meibo: Meibo, settings_file: Callable[[str], Path]
) -> None:
    assert url_of(meibo) == "http://127.0.0.1:8080"
    settings_file('public_url = "http://file.example"')
    assert url_of(meibo) == "http://file.example"
    meibo.environment["MEIBO_PUBLIC_URL"] = "http://environment.example"
    assert url_of(meibo) == "http://environment.example"
    assert url_of(meibo, "--public-url", "http://line.example") == "http://line.example"


def test_the_port_of_the_service_is_in_the_url_of_a_token(
    meibo: Meibo, settings_file: Callable[[str], Path]
) -> None:
    settings_file('port = 9001\nhost = "::1"')
    assert url_of(meibo) == "http://[::1]:9001"
    meibo.environment["MEIBO_HOST"] = "0.0.0.0"
    assert url_of(meibo) == "http://127.0.0.1:9001"


def test_a_named_file_is_read_instead_of_the_users_own(
    meibo: Meibo, home: Path, settings_file: Callable[[str], Path]
) -> None:
    settings_file("there is no TOML in here")
    named = home / "mine.toml"
    named.write_text('public_url = "http://mine.example"', encoding="utf-8")
    assert url_of_with(meibo, "token", "--config", str(named)) == "http://mine.example"
    assert url_of_with(meibo, "before", "--config", str(named)) == "http://mine.example"
    meibo.environment["MEIBO_CONFIG"] = str(named)
    assert url_of(meibo) == "http://mine.example"


def url_of_with(meibo: Meibo, where: str, *config: str) -> str:
    command = ["token", "generate", "--idp", "other", "--connection", where]
    line = [*config, *command] if where == "before" else [*command, *config]
    return meibo.json(*line)["scim_url"].removesuffix("/scim/v2")


def test_switches_and_numbers_can_stand_in_the_file(
    meibo: Meibo, settings_file: Callable[[str], Path]
) -> None:
    settings_file('idp = "okta"\nexpires_in = 30\nstrict = true\njson = true\n')
    assert '"connection": "okta"' in meibo("token", "generate")
    assert meibo.json("connection", "show", "okta")["strict"] is True


def test_a_setting_of_several_values_has_spaces_between_them(
    meibo: Meibo, settings_file: Callable[[str], Path]
) -> None:
    settings_file('trusted_proxy = "10.0.0.1 of-the-file"')
    assert "'of-the-file' is no address" in meibo.refused("serve", code=2)
    meibo.environment["MEIBO_TRUSTED_PROXY"] = "10.0.0.1 of-the-environment"
    assert "'of-the-environment' is no address" in meibo.refused("serve", code=2)
    line = ("--trusted-proxy", "10.0.0.1", "--trusted-proxy", "of-the-line")
    assert "'of-the-line' is no address" in meibo.refused("serve", *line, code=2)


def test_an_empty_variable_is_none(meibo: Meibo) -> None:
    meibo.environment["MEIBO_PUBLIC_URL"] = ""
    assert url_of(meibo) == "http://127.0.0.1:8080"


@pytest.mark.parametrize("name", ["MEIBO_PROT", "MEIBO_port", "MEIBO_", "MEIBO_TESTS"])
def test_an_unknown_variable_stops_the_start(meibo: Meibo, name: str) -> None:
    meibo.environment[name] = "1"
    assert meibo.refused("token", "list", code=2).startswith(f"the environment has {name},")
    assert meibo.refused("serve", code=2).startswith(f"the environment has {name},")


@pytest.mark.parametrize("name", ["MEIBO_CORPORA", "MEIBO_TEST_ANYTHING", "NOT_MEIBO_PROT"])
def test_variables_that_are_none_of_ours_are_let_be(meibo: Meibo, name: str) -> None:
    meibo.environment[name] = "1"
    meibo("token", "list")


@pytest.mark.parametrize(
    "text, why",
    [
        pytest.param("prot = 1", "no setting 'prot'", id="unknown"),
        pytest.param("Port = 1", "no setting 'Port'", id="other letter case"),
        pytest.param("[serve]\nport = 1", "no setting 'serve'", id="table"),
        pytest.param("port = 1.5", "port must be", id="fraction"),
        pytest.param("port = [1]", "port must be", id="array"),
        pytest.param("port 1", "is not TOML", id="no TOML"),
        pytest.param('config = "x"', "no setting 'config'", id="another file"),
    ],
)
def test_a_wrong_settings_file_stops_the_start(
    meibo: Meibo, settings_file: Callable[[str], Path], text: str, why: str
) -> None:
    path = settings_file(text)
    line = meibo.refused("token", "list", code=2)
    assert line.startswith(str(path))
    assert why in line


def test_a_file_that_is_not_there_stops_the_start_if_it_is_named(meibo: Meibo, home: Path) -> None:
    line = meibo.refused("token", "list", "--config", str(home / "x.toml"), code=2)
    assert "x.toml cannot be read" in line


@pytest.mark.parametrize(
    "settings, why",
    [
        pytest.param({"MEIBO_PORT": "abc"}, "'--port'", id="port"),
        pytest.param({"MEIBO_PORT": "65536"}, "'--port'", id="port too large"),
        pytest.param({"MEIBO_RATE_LIMIT": "none"}, "'--rate-limit'", id="rate limit"),
        pytest.param({"MEIBO_RATE_LIMIT": "5"}, "'--rate-limit'", id="below what Entra ID needs"),
        pytest.param({"MEIBO_WORKERS": "0"}, "'--workers'", id="workers"),
        pytest.param({"MEIBO_WORKERS": "2"}, "SQLite is served by one process", id="SQLite"),
        pytest.param({"MEIBO_PUBLIC_URL": "example.com"}, "--public-url", id="no URL"),
        pytest.param({"MEIBO_PUBLIC_URL": "http://a/"}, "--public-url", id="slash"),
        pytest.param({"MEIBO_PUBLIC_URL": "http://a:x"}, "--public-url", id="URL's port"),
        pytest.param({"MEIBO_DATABASE": "mysql://x"}, "--database", id="database"),
        pytest.param({"MEIBO_DATABASE": "sqlite:///"}, "--database", id="no path"),
    ],
)
def test_an_impossible_setting_stops_the_server(
    meibo: Meibo, settings: dict[str, str], why: str
) -> None:
    meibo.environment.update(settings)
    result = meibo.run("serve")
    assert result.exit_code == 2
    assert why in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output


def test_a_wrong_value_in_the_file_names_the_file(
    meibo: Meibo, settings_file: Callable[[str], Path]
) -> None:
    path = settings_file('port = "80x"')
    result = meibo.run("serve")
    assert result.exit_code == 2
    assert result.stderr.rstrip().endswith(f"(in {path})")


@pytest.mark.parametrize("command", [["token", "list"], ["serve"], ["migrate"]], ids=" ".join)
def test_a_database_that_does_not_answer_stops_the_start(meibo: Meibo, command: list[str]) -> None:
    meibo.environment["MEIBO_DATABASE"] = "postgresql://127.0.0.1:1/meibo"
    assert "PostgreSQL cannot be reached" in meibo.refused(*command, code=3)


@pytest.mark.parametrize("command", [["token", "list"], ["serve"], ["migrate"]], ids=" ".join)
def test_a_newer_database_stops_the_start(meibo: Meibo, home: Path, command: list[str]) -> None:
    path = home / "newer.sqlite3"
    meibo.environment["MEIBO_DATABASE"] = f"sqlite:///{path}"
    meibo("migrate")
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE schema_versions SET version = 999 WHERE part = 'directory'")
    connection.close()
    assert "newer than this program" in meibo.refused(*command, code=3)


def test_an_older_postgresql_is_to_be_migrated_first(postgres_url: str, home: Path) -> None:
    meibo = Meibo({"MEIBO_DATABASE": postgres_url})
    assert "run 'meibo migrate' first" in meibo.refused("token", "list", code=3)
    meibo("migrate")
    assert "There are no tokens" in meibo("token", "list")


def test_a_file_that_is_no_database_stops_the_start(meibo: Meibo, home: Path) -> None:
    path = home / "letter.txt"
    path.write_text("Dear reader,\n" * 1_000)
    meibo.environment["MEIBO_DATABASE"] = f"sqlite:///{path}"
    assert str(path) in meibo.refused("token", "list", code=3)
    assert str(path) in meibo.refused("serve", code=3)


@pytest.mark.parametrize("place", ["/proc/nowhere/x.sqlite3", "/proc"])
@pytest.mark.parametrize("command", [["token", "list"], ["serve"]], ids=" ".join)
def test_a_place_where_nothing_can_be_written_stops_the_start(
    meibo: Meibo, place: str, command: list[str]
) -> None:
    assert "/proc" in meibo.refused(*command, "--database", f"sqlite:///{place}", code=3)


def test_the_users_own_data_is_nobody_elses(meibo: Meibo, home: Path) -> None:
    meibo("tenant", "list")
    directory = home / "data" / "meibo"
    assert (directory / "meibo.sqlite3").exists()
    assert directory.stat().st_mode & 0o077 == 0


def test_an_unknown_command_is_a_wrong_command_line(meibo: Meibo) -> None:
    assert meibo.run("tokn").exit_code == 2
    assert meibo.run("token", "list", "--jsn").exit_code == 2
    assert meibo("--version").startswith("meibo 0.")
