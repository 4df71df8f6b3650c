"""The commands' own work, on both engines where a database is behind it."""

import re

import pytest

from meibo.access.token_format import TOKEN_PATTERN
from meibo.cli.output import visible
from tests.cli.conftest import Meibo


def test_a_token_comes_with_its_url_and_expiry(on_both: Meibo) -> None:
    issued = on_both.json("token", "generate", "--idp", "entra", "--description", "for Tokyo")
    assert set(issued) == {"id", "token", "scim_url", "expires_at", "connection"}
    assert re.fullmatch(TOKEN_PATTERN, issued["token"])
    assert issued["token"][11:23] == issued["id"]
    assert issued["scim_url"] == "http://127.0.0.1:8080/scim/v2"
    assert re.fullmatch(r"20..-..-..T.*Z", issued["expires_at"])
    assert issued["connection"] == "entra"
    (listed,) = on_both.json("token", "list")
    assert (listed["id"], listed["status"]) == (issued["id"], "active")
    assert (listed["description"], listed["last_used_at"]) == ("for Tokyo", None)
    assert issued["token"] not in on_both("token", "list") + on_both("audit", "list")


def test_a_token_for_people_is_told_in_words(meibo: Meibo) -> None:
    text = meibo("token", "generate", "--idp", "okta", "--expires-in", "never")
    assert re.search(r"^Token +meibo_scim_", text, re.MULTILINE)
    assert re.search(r"^Expires +never$", text, re.MULTILINE)
    assert "cannot be shown again" in text
    assert "Old secret" not in text


def test_another_tenants_url_has_its_slug(on_both: Meibo) -> None:
    on_both("tenant", "create", "acme")
    issued = on_both.json(
        *("token", "generate", "--idp", "okta", "--tenant", "acme"),
        *("--public-url", "https://scim.example.com"),
    )
    assert issued["scim_url"] == "https://scim.example.com/t/acme/scim/v2"
    assert on_both.json("token", "list") == []
    assert [each["id"] for each in on_both.json("token", "list", "--tenant", "acme")] == [
        issued["id"]
    ]
    assert {each["slug"] for each in on_both.json("tenant", "list")} == {"acme", "default"}
    assert "acme" in on_both("tenant", "list")


def test_the_third_token_is_refused_with_the_commands_that_help(meibo: Meibo) -> None:
    first, second = (meibo.json("token", "generate", "--idp", "entra")["id"] for _ in range(2))
    line = meibo.refused("token", "generate", "--idp", "entra")
    assert f"meibo token delete {first} or meibo token delete {second}" in line
    assert "last used: never" in line
    meibo("token", "delete", first)
    meibo("token", "generate", "--idp", "entra")
    meibo("tenant", "create", "acme")
    for _ in range(2):
        meibo("token", "generate", "--idp", "entra", "--tenant", "acme")
    line = meibo.refused("token", "generate", "--idp", "entra", "--tenant", "acme")
    assert "--tenant acme)" in line


def test_the_life_of_a_token_is_in_the_audit_trail(on_both: Meibo) -> None:
    token = on_both.json("token", "generate", "--idp", "entra")
    id_ = token["id"]
    assert on_both("token", "deactivate", id_) == f"Token {id_} is inactive.\n"
    assert on_both("token", "deactivate", id_) == f"Token {id_} is inactive already.\n"
    assert on_both.json("token", "list")[0]["status"] == "inactive"
    assert on_both("token", "activate", id_) == f"Token {id_} is active.\n"
    renewed = on_both.json("token", "renew", id_, "--old-valid-for", "7d")
    assert renewed["id"] == id_
    assert renewed["token"] != token["token"]
    assert "valid until" in on_both("token", "list")
    assert on_both("token", "delete", id_) == f"Token {id_} is deleted.\n"
    assert on_both.json("token", "list") == []
    assert on_both.json("token", "list", "--all")[0]["status"] == "deleted"
    events = on_both.json("audit", "list")
    names = [each["event"] for each in events]
    assert sorted(names[:2]) == ["Connection Created", "SCIM Token Created"]
    assert names[2:] == [
        "SCIM Token Disabled",
        "SCIM Token Enabled",
        "SCIM Token Renewed",
        "SCIM Token Deleted",
    ]
    assert all(
        each["details"].startswith("IdP: Entra ID (Azure); Connection: entra; Token: ")
        and each["subject"] == id_
        and each["actor"].startswith("CLI (")
        for each in events[2:]
    )
    assert events[-1]["fields"]["Last used"] == "never"
    assert "SCIM Token Renewed" in on_both("audit", "list", "--count", "2")
    assert len(on_both.json("audit", "list", "--count", "2")) == 2


@pytest.mark.parametrize("said, status", [("24h", "active"), ("0", "inactive")])
def test_the_old_secret_lives_for_a_day_only_while_active(
    meibo: Meibo, said: str, status: str
) -> None:
    id_ = meibo.json("token", "generate", "--idp", "other")["id"]
    if status == "inactive":
        meibo("token", "deactivate", id_)
    meibo("token", "renew", id_)
    (listed,) = meibo.json("token", "list")
    assert listed["status"] == status
    renewed = meibo.json("audit", "list")[-1]["fields"]["Old secret"]
    assert renewed.startswith("valid until" if said == "24h" else "not valid any more")


@pytest.mark.parametrize(
    "arguments",
    [
        ["activate", "nosuchtoken0"],
        ["deactivate", "nosuchtoken0"],
        ["renew", "nosuchtoken0"],
        ["delete", "nosuchtoken0"],
        ["list", "--tenant", "nobody"],
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_refused_in_one_line(meibo: Meibo, arguments: list[str]) -> None:
    assert "there is no" in meibo.refused("token", *arguments)


@pytest.mark.parametrize("value", ["1w", "24", "-1h", "", "h", "91d", "９d"])
def test_what_is_no_duration(meibo: Meibo, value: str) -> None:
    id_ = meibo.json("token", "generate", "--idp", "other")["id"]
    assert meibo.run("token", "renew", id_, "--old-valid-for", value).exit_code in (1, 2)


def test_settings_of_a_connection(on_both: Meibo) -> None:
    on_both("token", "generate", "--idp", "entra", "--strict")
    told = on_both("connection", "set", "entra", "user_name_changes=refuse", "rate_limit=off")
    assert told == "user_name_changes: allow -> refuse\nrate_limit: default -> off\n"
    assert "Nothing to change" in on_both("connection", "set", "entra", "rate_limit=off")
    shown = on_both.json("connection", "show", "entra")
    assert (shown["name"], shown["idp"], shown["strict"]) == ("entra", "entra", True)
    assert shown["settings"]["user_name_changes"] == "refuse"
    text = on_both("connection", "show", "entra")
    assert re.search(r"^rate_limit +off ", text, re.MULTILINE)
    assert "Entra ID (Azure)" in on_both("connection", "list")
    assert on_both.json("connection", "list") == [shown]


@pytest.mark.parametrize(
    "arguments, code",
    [
        (["entra", "rate_limit"], 2),
        (["entra", "rate_limit=50", "rate_limit=51"], 2),
        (["entra"], 2),
        (["entra", "colour=red"], 1),
        (["entra", "rate_limit=0"], 1),
        (["okta", "rate_limit=50"], 1),
    ],
)
def test_a_wrong_setting_of_a_connection(meibo: Meibo, arguments: list[str], code: int) -> None:
    meibo("token", "generate", "--idp", "entra")
    assert meibo.run("connection", "set", *arguments).exit_code == code


def test_custom_attributes(on_both: Meibo) -> None:
    added = on_both("attribute", "add", "costCenterCode")
    path = "urn:ietf:params:scim:schemas:extension:ivanti:2.0:User:costCenterCode"
    assert added.strip().endswith(path)
    on_both("attribute", "add", "joined", "--type", "date")
    assert [
        (each["name"], each["type"], each["scim_type"], each["path"] == path)
        for each in on_both.json("attribute", "list")
    ] == [("costCenterCode", "text", "string", True), ("joined", "date", "dateTime", False)]
    assert "standard" in on_both.refused("attribute", "add", "groups")
    assert "exists already" in on_both.refused("attribute", "add", "COSTCENTERCODE")
    on_both("attribute", "delete", "joined")
    assert path in on_both("attribute", "list")
    assert "no custom attribute" in on_both.refused("attribute", "delete", "joined")


def test_a_tenant_needs_a_slug_that_is_free(meibo: Meibo) -> None:
    assert "exists already" in meibo.refused("tenant", "create", "default")
    assert "cannot be a tenant's slug" in meibo.refused("tenant", "create", "A B")


def test_migrating_twice_changes_nothing(on_both: Meibo) -> None:
    assert on_both("migrate") == on_both("migrate")
    assert len(on_both.json("tenant", "list")) == 1


@pytest.mark.parametrize(
    "text, shown",
    [
        ("山田 花子", "山田 花子"),
        ("a\x1b[2Jb", r"a\u001b[2Jb"),
        ("a\u009bb", r"a\u009bb"),
        ("a\u202eb", r"a\u202eb"),
        ("line\nline", r"line\u000aline"),
        ("wide\u3000space", "wide\u3000space"),
    ],
)
def test_a_terminal_is_shown_text_and_no_commands(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "url", ["http://example.com/scim/v2", "http://10.0.0.1/", "https://[::2]/x"]
)
def test_a_server_elsewhere_is_simulated_only_on_request(meibo: Meibo, url: str) -> None:
    line = meibo.refused("simulate", "entra", "--base-url", url, "--token", "x")
    assert "--yes-really" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["--token", "a b"],
        ["--faults", "fire"],
        ["--users", "0"],
        ["--base-url", "http://127.0.0.1/?x"],
    ],
    ids=" ".join,
)
def test_an_impossible_simulation_is_a_wrong_command_line(
    meibo: Meibo, arguments: list[str]
) -> None:
    base = ["simulate", "okta", "--base-url", "http://127.0.0.1:1/x", "--token", "x"]
    assert meibo.run(*base, *arguments).exit_code == 2
