"""Requests that are wrong on purpose: a right server refuses each, and nothing changes.

Lost answers, the third kind of fault, belong to ``client``: they may hit any write.
"""

from dataclasses import replace

from meibo.simulator.client import Answer, Client
from meibo.simulator.dialect import Dialect, Request
from meibo.simulator.people import Person
from meibo.simulator.plan import Plan
from meibo.simulator.provisioning import Ledger
from meibo.simulator.report import Tally


async def commit_faults(
    plan: Plan, client: Client, dialect: Dialect, ledger: Ledger, tally: Tally, person: Person
) -> None:
    """Send what ``plan.faults`` asks for, about ``person``; nothing when the server lacks him."""
    id_ = ledger.user_ids.get(person.number)
    if id_ is None:
        return
    if "duplicate" in plan.faults:
        # A second account with the user name of the first, typed in capitals. Okta and Entra ID
        # make this when two directories are synchronised into one application.
        twin = replace(
            person,
            external_id=f"{person.external_id}-twin",
            user_name=person.user_name.upper(),
            manager=None,
        )
        request = dialect.create_user(twin, dialect.attributes(twin, None))
        answer = await client.send(request)
        _judge(tally, answer, f"a second user {twin.user_name}", expected=409)
    if "bad-value" in plan.faults:
        for request in dialect.bad_requests(person, id_):
            answer = await client.send(request)
            _judge(tally, answer, _describe(request), expected=400)


def _judge(tally: Tally, answer: Answer, what: str, *, expected: int) -> None:
    if answer.ok:
        tally.problem(f"{what} was accepted with {answer.status}; {expected} is right")
    else:
        tally.refuse(answer, what, provoked=answer.status == expected)


def _describe(request: Request) -> str:
    if request.method == "POST":
        return "a user without a userName"
    return f'a {request.method} with active "maybe"'
