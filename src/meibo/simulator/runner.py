"""One simulation from its first request to its report."""

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

import httpx

from meibo.simulator import verification
from meibo.simulator.client import Client, Stopped
from meibo.simulator.company import Group, story
from meibo.simulator.crew import each
from meibo.simulator.dialect import Dialect
from meibo.simulator.entra import EntraDialect
from meibo.simulator.faults import commit_faults
from meibo.simulator.okta import OktaDialect
from meibo.simulator.plan import Plan
from meibo.simulator.progress import Progress
from meibo.simulator.provisioning import Ledger, Provisioning
from meibo.simulator.report import Report, Tally, Verification
from meibo.simulator.state import State, read_state, write_state
from meibo.simulator.verification import Survey

_T = TypeVar("_T")


async def simulate(
    plan: Plan, progress: Progress, *, transport: httpx.AsyncBaseTransport | None = None
) -> Report:
    """Be the provider of ``plan`` for all its cycles, then read everything back.

    A server that holds part of the same company already, after a crash of either side, is
    brought to the same end: people and groups are matched by filter and corrected. The first
    cycle is then the latest one of which something is there.

    Args:
        transport: in place of the network, for tests.

    Raises:
        ValueError: the state file belongs to another plan, or is none.
    """
    return await _Run(plan, progress, transport).report()


class _Run:
    def __init__(
        self, plan: Plan, progress: Progress, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self._plan = plan
        self._progress = progress
        self._dialect: Dialect = (
            EntraDialect(custom_attribute=plan.custom_attribute)
            if plan.vendor == "entra"
            else OktaDialect(custom_attribute=plan.custom_attribute, app=plan.okta_app)
        )
        self._history = story(plan)
        self._tally = Tally()
        self._ledger = Ledger()
        self._first_cycle = 1
        self._client = Client(plan, self._dialect.headers, self._say, transport)

    async def report(self) -> Report:
        state = read_state(self._plan)
        began = time.monotonic()
        stopped: str | None = None
        verified: Verification | None = None
        sync_requests: int | None = None
        seconds = 0.0
        async with self._client:
            try:
                strangers = await self._synchronise(state)
                seconds = time.monotonic() - began
                sync_requests = self._client.traffic.requests
                verified = await self._verify(strangers)
            except Stopped as reason:
                stopped = str(reason)
                self._say(f"stopped: {stopped}")
        traffic = self._client.traffic
        return Report(
            plan=self._plan,
            company=self._history[0].firm.name,
            domain=self._history[0].firm.domain,
            started_in_cycle=self._first_cycle,
            tally=self._tally,
            traffic=traffic,
            sync_requests=traffic.requests if sync_requests is None else sync_requests,
            seconds=seconds or time.monotonic() - began,
            verification=verified,
            stopped=stopped,
        )

    async def _synchronise(self, state: State | None) -> frozenset[str]:
        """All cycles; the ids that belong to others."""
        before = await verification.survey(self._client, self._history, self._tally)
        self._first_cycle = max(state.cycle if state else 1, self._latest_cycle(before))
        # What was nobody's at the very first start can only have come from us since.
        strangers = state.strangers if state else before.strangers
        if self._first_cycle > 1 or before.users or before.groups:
            self._say(
                f"{len(before.users):,} people and {len(before.groups):,} groups are there "
                f"already: resuming in cycle {self._first_cycle}"
            )
        provisioning = Provisioning(
            self._client,
            self._dialect,
            self._ledger,
            self._tally,
            thorough=not before.empty,
            former_names=self._former_names(),
        )
        guid = str(uuid.UUID(int=Random(self._plan.seed).getrandbits(128), version=4))
        await provisioning.test_connection(guid)
        for cycle in range(self._first_cycle, self._plan.cycles + 1):
            write_state(self._plan, State(cycle, strangers))
            await self._cycle(cycle, provisioning)
        return strangers

    async def _cycle(self, cycle: int, provisioning: Provisioning) -> None:
        company = self._history[cycle - 1]
        # In the first cycle of this run, whatever was ever deleted: an earlier run may have
        # stopped before it came to that.
        first = 0 if cycle == self._first_cycle else cycle - 2
        earlier = self._history[first : cycle - 1]
        title = "initial sync" if cycle == 1 else f"cycle {cycle}"
        if cycle > 1:
            self._say("40 minutes later")

        changed = [
            person
            for number, person in company.people.items()
            if self._ledger.users.get(number) != provisioning.wanted(person)
        ]
        # Heads of departments first: the others refer to them.
        heads = [person for person in changed if person.manager is None]
        staff = [person for person in changed if person.manager is not None]
        await self._each(f"{title} · people", (heads, staff), provisioning.push_user)

        if self._dialect.deletes_users:
            gone = _gone([past.people for past in earlier], company.people)
            await self._each(f"{title} · deletions", (gone,), provisioning.delete_user)

        async def push_group(group: Group) -> None:
            await provisioning.push_group(group, company.people)

        # The largest group last in line would leave all but one connection idle at the end.
        groups = sorted(company.groups.values(), key=lambda group: -len(group.members))
        await self._each(f"{title} · groups", (groups,), push_group)
        ended = _gone([past.groups for past in earlier], company.groups)
        await self._each(f"{title} · group deletions", (ended,), provisioning.delete_group)

        if cycle == self._first_cycle and self._plan.faults:
            victim = next(iter(company.people.values()))
            await commit_faults(
                self._plan, self._client, self._dialect, self._ledger, self._tally, victim
            )

    async def _verify(self, strangers: frozenset[str]) -> Verification:
        self._say("reading everything back")
        return await verification.verify(
            self._client,
            self._ledger,
            self._history[-1],
            strangers,
            self._tally,
            at_once=self._plan.concurrency,
        )

    async def _each(
        self,
        title: str,
        lots: Sequence[Sequence[_T]],
        work: Callable[[_T], Awaitable[None]],
    ) -> None:
        """Do ``work`` for each lot in turn, many at once within a lot."""
        total = sum(map(len, lots))
        if not total:
            return
        step = self._progress.begin(f"{self._plan.label} · {title}", total)

        async def one(item: _T) -> None:
            await work(item)
            step.advance()

        try:
            for lot in lots:
                await each(lot, one, self._plan.concurrency)
        finally:
            step.end()

    def _latest_cycle(self, before: Survey) -> int:
        """The latest cycle of which somebody who joined in it, or a group of it, is there."""
        latest = 1
        for cycle, (past, now) in enumerate(
            zip(self._history, self._history[1:], strict=False), start=2
        ):
            joined = now.people.keys() - past.people.keys()
            founded = now.groups.keys() - past.groups.keys()
            if joined & before.users or founded & before.groups:
                latest = cycle
        return latest

    def _former_names(self) -> dict[int, list[str]]:
        names: dict[int, dict[str, None]] = {}
        for company in self._history:
            for number, group in company.groups.items():
                names.setdefault(number, {})[group.name] = None
        return {number: list(known) for number, known in names.items()}

    def _say(self, line: str) -> None:
        self._progress.say(f"{self._plan.label} · {line}")


def _gone(earlier: Sequence[Mapping[int, _T]], now: Mapping[int, _T]) -> list[_T]:
    """What was there earlier and is not now, as it last was."""
    gone = {number: item for past in earlier for number, item in past.items() if number not in now}
    return list(gone.values())
