"""The audit trail: what administrators did. Rows are only ever added."""

from dataclasses import dataclass

from meibo.storage.database import Statement, Transaction


@dataclass(frozen=True, slots=True)
class AuditRow:
    """``at`` is in microseconds; ``details`` is the JSON text of an object of strings."""

    tenant: int
    sequence: int
    at: int
    event: str
    subject: str
    actor: str
    details: str


def insert(
    tx: Transaction,
    tenant: int,
    *,
    at: int,
    event: str,
    subject: str,
    actor: str,
    details: str,
) -> Statement:
    """A new row with the next sequence number."""
    return Statement(
        f"""
        INSERT INTO audit (tenant, sequence, at, event, subject, actor, details)
        VALUES (:tenant, {tx.dialect.next_audit}, :at, :event, :subject, :actor, :details)
        """,
        {
            "tenant": tenant,
            "at": at,
            "event": event,
            "subject": subject,
            "actor": actor,
            "details": details,
        },
    )


async def latest(tx: Transaction, tenant: int, subject: str, events: tuple[str, str]) -> int | None:
    """When one of two events last happened to ``subject``, in microseconds."""
    one, other = events
    row = await tx.one(
        """
        SELECT max(at)
          FROM audit
         WHERE tenant = :tenant AND subject = :subject AND (event = :one OR event = :other)
        """,
        tenant=tenant,
        subject=subject,
        one=one,
        other=other,
    )
    return None if row is None else row[0]


async def list_events(
    tx: Transaction, tenant: int, *, count: int, before: int | None = None
) -> list[AuditRow]:
    """The newest ``count`` rows, newest first; with ``before``, those of a smaller sequence."""
    rows = await tx.all(
        """
        SELECT tenant, sequence, at, event, subject, actor, details
          FROM audit
         WHERE tenant = :tenant AND sequence < :before
         ORDER BY sequence DESC
         LIMIT :count
        """,
        tenant=tenant,
        before=2**63 - 1 if before is None else before,
        count=count,
    )
    return [AuditRow(*row) for row in rows]
