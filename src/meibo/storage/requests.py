"""The provisioning log: a row for each SCIM request, and log-ins that were refused."""

from collections.abc import Sequence
from typing import NamedTuple

from meibo.storage.database import Statement, Transaction


class LoggedRequest(NamedTuple):
    """One SCIM request.

    ``quirks`` and ``ignored`` are names separated by commas; times are in microseconds.
    """

    tenant: int
    id: str
    at: int
    connection: int
    token: str
    method: str
    target: str
    action: str
    resource_type: str | None
    resource_id: str | None
    resource_name: str | None
    status: int
    scim_type: str | None
    detail: str | None
    quirks: str | None
    ignored: str | None
    microseconds: int
    address: str
    user_agent: str


class RefusedLogin(NamedTuple):
    """Requests without accepted credentials that are counted together.

    ``slug`` is empty when the URL names no tenant, ``token`` when the key id is not known.
    """

    slug: str
    minute: int
    address: str
    reason: str
    token: str


COLUMNS = (
    "tenant",
    "id",
    "at",
    "connection",
    "token",
    "method",
    "target",
    "action",
    "resource_type",
    "resource_id",
    "resource_name",
    "status",
    "scim_type",
    "detail",
    "quirks",
    "ignored",
    "microseconds",
    "address",
    "user_agent",
)


async def append(tx: Transaction, entries: Sequence[LoggedRequest]) -> None:
    """Adds rows, in the order of COLUMNS."""
    await tx.append("requests", COLUMNS, entries)


def refused(login: RefusedLogin, times: int, user_agent: str) -> Statement:
    """Counts refused log-ins of one kind; ``user_agent`` is the latest."""
    return Statement(
        """
        INSERT INTO refused_logins (slug, minute, address, reason, token, times, user_agent)
        VALUES (:slug, :minute, :address, :reason, :token, :times, :user_agent)
        ON CONFLICT (slug, minute, address, reason, token)
        DO UPDATE SET times = refused_logins.times + excluded.times,
                      user_agent = excluded.user_agent
        """,
        {
            "slug": login.slug,
            "minute": login.minute,
            "address": login.address,
            "reason": login.reason,
            "token": login.token,
            "times": times,
            "user_agent": user_agent,
        },
    )


async def latest(tx: Transaction, tenant: int, *, count: int) -> list[LoggedRequest]:
    """The latest ``count`` requests, newest first."""
    rows = await tx.all(
        """
        SELECT tenant, id, at, connection, token, method, target, action, resource_type,
               resource_id, resource_name, status, scim_type, detail, quirks, ignored,
               microseconds, address, user_agent
          FROM requests
         WHERE tenant = :tenant
         ORDER BY id DESC
         LIMIT :count
        """,
        tenant=tenant,
        count=count,
    )
    return [LoggedRequest(*row) for row in rows]
