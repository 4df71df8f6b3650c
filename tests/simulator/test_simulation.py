"""Whole simulations against a small server in memory."""

import asyncio
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from meibo.simulator import (
    ALL_FAULTS,
    NoProgress,
    Plan,
    Report,
    Vendor,
    open_progress,
    print_report,
    simulate,
)
from tests.simulator.pretended_server import Flaw, PretendedServer

VENDORS: tuple[Vendor, ...] = ("entra", "okta")
STRANGER = {"id": "s-1", "userName": "someone@else.example", "active": True}


def plan_of(vendor: Vendor = "entra", **changes: Any) -> Plan:
    small = Plan(
        vendor, "http://127.0.0.1:8080/scim/v2", "right", users=60, groups=8, concurrency=4
    )
    return replace(small, **changes)


async def run(plan: Plan, server: PretendedServer) -> Report:
    return await simulate(plan, NoProgress(), transport=server)


_undisturbed: dict[Vendor, PretendedServer] = {}


async def undisturbed(vendor: Vendor) -> PretendedServer:
    """The server after a run in which nothing went wrong; to be looked at only."""
    if vendor not in _undisturbed:
        server = PretendedServer()
        assert_fine(await run(plan_of(vendor), server))
        _undisturbed[vendor] = server
    return _undisturbed[vendor]


def complaints(report: Report) -> str:
    """Everything that keeps ``report`` from being fine, in one text."""
    lines = [*report.tally.problems, report.stopped or ""]
    lines += [f"{r.status} {r.detail}" for r in report.tally.refusals if not r.provoked]
    lines += [str(d) for d in report.verification.differences] if report.verification else []
    return "\n".join(lines).strip()


def assert_fine(report: Report) -> None:
    assert complaints(report) == ""
    assert report.ok


def stand(server: PretendedServer) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the server holds, without its ids: users by name, groups by name."""
    names = {id_: user["userName"] for id_, user in server.users.items()}
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    users = {}
    for user in server.users.values():
        shown = {key: value for key, value in user.items() if key not in ("id", "roles", "meta")}
        extension = dict(shown[enterprise])
        if "manager" in extension:
            extension["manager"] = names[extension["manager"]["value"]]
        users[user["userName"]] = {**shown, enterprise: extension}
    groups = {
        group["displayName"]: sorted(names[member["value"]] for member in group.get("members", []))
        for group in server.groups.values()
    }
    assert len(groups) == len(server.groups)
    return users, groups


@pytest.mark.parametrize(
    "plan",
    [plan_of("entra"), plan_of("okta"), plan_of("okta", okta_app="wizard")],
    ids=["entra", "okta", "okta wizard"],
)
async def test_the_server_ends_with_exactly_what_was_sent(plan: Plan):
    server = PretendedServer()
    report = await run(plan, server)
    assert_fine(report)
    assert report.verification is not None
    assert report.verification.users == len(server.users)
    assert report.verification.groups == len(server.groups) == 8
    tally = report.tally
    assert tally.created == 64
    assert tally.groups_created == 10
    assert (tally.groups_renamed, tally.groups_deleted) == (2, 2)
    assert min(tally.updated, tally.renamed, tally.deactivated, tally.members_added) > 0
    assert tally.refusals == ()
    assert report.traffic.repeated == 0
    inactive = sum(not user["active"] for user in server.users.values())
    assert inactive == tally.deactivated - tally.reactivated - tally.deleted


async def test_two_runs_of_one_seed_leave_the_same_directory_whatever_is_in_the_way():
    smooth, rough = await undisturbed("entra"), PretendedServer(budget=13)
    rough.answer_lost_at = set(range(5, 900, 11))
    rough.failing_at = dict.fromkeys(range(7, 900, 17), 500) | dict.fromkeys(range(9, 900, 23), 503)
    report = await run(plan_of(faults=ALL_FAULTS, concurrency=7), rough)
    assert_fine(report)
    assert report.traffic.throttled > 20
    assert stand(smooth) == stand(rough)


async def test_entra_keeps_its_habits():
    server = PretendedServer()
    await run(plan_of("entra"), server)
    written = [(method, target) for method, target, _ in server.log if method != "GET"]
    assert any(method == "DELETE" and "/Users/" in target for method, target in written)
    assert not any(method == "PUT" for method, _ in written)
    # Every look-up of a group leaves its members out, and no group is created with members.
    assert all(
        "excludedAttributes=members" in target
        for target in server.targets("GET")
        if target.startswith("/Groups?filter") or "&filter" in target
    )
    posts = [body for method, target, body in server.log if (method, target) == ("POST", "/Groups")]
    assert posts
    assert all("members" not in body for body in posts)
    patches = [body for method, _, body in server.log if method == "PATCH"]
    ops = {operation["op"] for body in patches for operation in body["Operations"]}
    assert ops >= {"Add", "Replace", "Remove", "add", "replace", "remove"}


async def test_okta_keeps_its_habits():
    server = PretendedServer()
    await run(plan_of("okta"), server)
    assert not any(target.startswith("/Users/") for target in server.targets("DELETE"))
    assert {"POST", "PUT", "PATCH", "GET"} <= {method for method, _, _ in server.log}
    user_patches = [
        body["Operations"]
        for method, target, body in server.log
        if method == "PATCH" and target.startswith("/Users/")
    ]
    assert user_patches
    assert all(ops == [{"op": "replace", "value": {"active": False}}] for ops in user_patches)
    assert all(head["User-Agent"].startswith("Okta SCIM Client") for head in server.headers)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_provoked_refusals_are_told_apart_and_change_nothing(vendor: Vendor):
    calm, provoked = await undisturbed(vendor), PretendedServer()
    report = await run(plan_of(vendor, faults=ALL_FAULTS), provoked)
    assert_fine(report)
    assert sorted(refusal.status for refusal in report.tally.refusals) == [400, 400, 409]
    assert all(refusal.provoked for refusal in report.tally.refusals)
    assert report.traffic.lost > 0
    assert report.tally.conflicts_solved > 0
    assert stand(calm) == stand(provoked)


@pytest.mark.parametrize(
    "flaw, complaint",
    [
        ("shows members", "members came back although excludedAttributes=members was asked"),
        ("remove empties the group", "without "),
        ("rename empties the group", "without "),
        ("loses a member", "without "),
        ("accepts a second user of a name", "a second user"),
        ("ignores bad values", '"maybe" was accepted with 200; 400 is right'),
        ("answers active as a string", "no bool: 'True'"),
        ("answers the manager as a string", "no object"),
        ("loses one title", "title was "),
        ("keeps deleted users", "never sent"),
        ("404 for an empty look-up", "the connection test failed"),
        ("lists a user twice", "listed twice"),
        ("refuses long names", "400 displayName is too long"),
    ],
)
async def test_a_flaw_of_the_server_does_not_go_unnoticed(flaw: Flaw, complaint: str):
    report = await run(plan_of(faults=ALL_FAULTS), PretendedServer(flaw=flaw))
    assert not report.ok
    assert complaint in complaints(report)


@pytest.mark.parametrize(
    "flaw, path",
    [
        ("keeps no titles", "title"),
        (
            "has no custom attribute",
            "urn:ietf:params:scim:schemas:extension:ivanti:2.0:User:costCenterCode",
        ),
    ],
    ids=["titles", "custom attribute"],
)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_attributes_that_are_kept_for_nobody_are_named_and_no_difference(
    vendor: Vendor, flaw: Flaw, path: str
):
    report = await run(plan_of(vendor), PretendedServer(flaw=flaw))
    assert_fine(report)
    assert report.verification is not None
    assert report.verification.not_kept == (path,)


async def test_a_wrong_token_stops_the_run_and_says_so():
    report = await run(plan_of(token="wrong"), PretendedServer())
    assert not report.ok
    assert report.stopped == "the token was refused (401): no such token"


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_second_run_finds_everything_done(vendor: Vendor):
    server = PretendedServer()
    first = await run(plan_of(vendor), server)
    before = stand(server)
    second = await run(plan_of(vendor), server)
    assert_fine(second)
    assert second.started_in_cycle == 3
    assert second.tally.matched == len(server.users) == first.tally.created - first.tally.deleted
    assert second.tally.created == second.tally.updated == second.tally.members_added == 0
    assert stand(server) == before


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("percent", [1, 15, 35, 50, 65, 80])
@pytest.mark.parametrize("who", ["server", "simulator"])
async def test_a_run_resumes_after_a_crash_of_either_side(vendor: Vendor, percent: int, who: str):
    smooth, server = await undisturbed(vendor), PretendedServer()
    at = len(smooth.log) * percent // 100
    plan = plan_of(vendor, patience_seconds=0.05)
    task = asyncio.create_task(run(plan, server))
    if who == "server":
        server.happenings[at] = server.go_down
        report = await task
        assert not report.ok
        assert report.stopped is not None
        server.come_back()
    else:
        server.happenings[at] = task.cancel
        with pytest.raises(asyncio.CancelledError):
            await task
    assert_fine(await run(plan, server))
    assert stand(server) == stand(smooth)


async def test_a_server_that_comes_back_in_time_costs_nothing_but_time():
    smooth, server = await undisturbed("entra"), PretendedServer()
    said: list[str] = []

    class Said(NoProgress):
        def say(self, line: str) -> None:
            said.append(line)

    def fall_over() -> None:
        server.go_down()
        asyncio.get_running_loop().call_later(0.8, server.come_back)

    server.happenings[100] = fall_over
    assert_fine(await simulate(plan_of(), Said(), transport=server))
    assert stand(server) == stand(smooth)
    assert sum("does not answer" in line for line in said) == 1
    assert sum("answers again" in line for line in said) == 1


async def test_what_a_crash_took_back_is_noticed():
    smooth, server = await undisturbed("entra"), PretendedServer()

    def forget() -> None:
        for id_ in list(server.users)[20:50]:
            del server.users[id_]

    server.happenings[len(smooth.log) * 6 // 10] = forget  # when the changes arrive
    report = await run(plan_of(), server)
    assert not report.ok
    assert "was acknowledged as" in complaints(report)
    assert "missing from the list" in complaints(report)


async def test_strangers_are_counted_left_alone_and_no_fault():
    server = PretendedServer(users={"s-1": dict(STRANGER)})
    server.groups["s-2"] = {"id": "s-2", "displayName": "Not ours", "members": [{"value": "s-1"}]}
    report = await run(plan_of(), server)
    assert_fine(report)
    assert report.verification is not None
    assert report.verification.strangers == 2
    assert server.users["s-1"] == STRANGER
    assert server.groups["s-2"]["members"] == [{"value": "s-1"}]


async def test_what_appears_on_an_empty_connection_meanwhile_is_a_difference():
    server = PretendedServer()
    server.happenings[50] = lambda: server.users.update({"s-1": dict(STRANGER)})
    report = await run(plan_of(), server)
    assert "user someone@else.example: id was never sent, is s-1" in complaints(report)


async def test_a_state_file_remembers_who_was_a_stranger(tmp_path: Path):
    state = tmp_path / "state.json"
    server = PretendedServer(users={"s-1": dict(STRANGER)})
    plan = plan_of(state_file=state)
    assert_fine(await run(plan, server))
    server.users["s-3"] = {"id": "s-3", "userName": "new@else.example", "active": True}
    assert "new@else.example: id was never sent" in complaints(await run(plan, server))
    assert_fine(await run(plan_of(), server))  # without it, both were there before


@pytest.mark.parametrize("content", ["[]", "{}", "not json", '{"plan": {}}'])
async def test_a_state_file_of_something_else_is_refused(tmp_path: Path, content: str):
    state = tmp_path / "state.json"
    state.write_text(content)
    with pytest.raises(ValueError, match=r"state\.json"):
        await run(plan_of(state_file=state), PretendedServer())


async def test_a_user_of_the_same_name_is_taken_over_as_the_providers_do():
    server = PretendedServer()
    await run(plan_of(cycles=1), server)
    for user in server.users.values():
        user.pop("externalId")
        user["active"] = False
        user["displayName"] = "left over"
    report = await run(plan_of(cycles=1), server)
    assert_fine(report)
    assert (report.tally.created, report.tally.matched) == (0, 60)
    assert report.tally.reactivated == 60


async def test_a_look_up_that_answers_somebody_else_is_not_believed():
    class Confused(PretendedServer):
        def _query(self, store: Any, parameters: Any, hide: bool) -> Any:
            if "00000000" not in str(parameters.get("filter")) and store:
                parameters.pop("filter", None)
            return super()._query(store, parameters, hide)

    report = await run(plan_of(cycles=1, users=5, groups=0, concurrency=1), Confused())
    assert "finds one with" in complaints(report)
    assert report.tally.created == 5


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
async def test_progress_and_report_are_readable(terminal: bool):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with open_progress(console) as progress:
        report = await simulate(
            plan_of("okta", faults=ALL_FAULTS), progress, transport=PretendedServer()
        )
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for part in (
        "Okta · initial sync · people: 60",
        "Okta · cycle 3 · groups: 8",
        "Birch & Lane",
        "64 created",
        "409 uniqueness, provoked",
        "the directory holds exactly what was sent",
    ):
        assert part in text
    assert ("\x1b[" in text) == terminal
    assert "right" not in text  # the token


async def test_a_report_of_failure_names_what_is_wrong():
    report = await run(plan_of(), PretendedServer(flaw="remove empties the group"))
    console = Console(file=io.StringIO(), width=200)
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "differences in" in text
    assert "members was" in text
    as_json = report.as_json()
    assert as_json["ok"] is False
    assert isinstance(as_json["verification"], dict)
    assert as_json["verification"]["differences"]
