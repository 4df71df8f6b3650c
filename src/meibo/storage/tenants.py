"""Tenants: the organisations that share an installation and know nothing of each other."""

from collections.abc import Iterable
from dataclasses import dataclass

from meibo.scim.representation import encode_text
from meibo.storage.database import Row, Statement, Transaction


@dataclass(frozen=True, slots=True)
class Tenant:
    """``slug`` stands in URLs; ``created`` is in microseconds."""

    id: int
    slug: str
    created: int

    @classmethod
    def from_row(cls, row: Row) -> "Tenant":
        return cls(int(row[0]), str(row[1]), int(row[2]))


async def by_slug(tx: Transaction, slug: str) -> Tenant | None:
    row = await tx.one("SELECT id, slug, created FROM tenants WHERE slug = :slug", slug=slug)
    return None if row is None else Tenant.from_row(row)


async def known_slugs(tx: Transaction, slugs: Iterable[str]) -> set[str]:
    """Which of the slugs are a tenant's."""
    rows = await tx.all(
        f"SELECT slug FROM tenants WHERE slug {tx.dialect.among_ids}", ids=encode_text([*slugs])
    )
    return {row[0] for row in rows}


async def list_tenants(tx: Transaction) -> list[Tenant]:
    """Every tenant, in the order of their slugs."""
    rows = await tx.all("SELECT id, slug, created FROM tenants ORDER BY slug")
    return [Tenant.from_row(row) for row in rows]


async def next_id(tx: Transaction) -> int:
    """An id that is free unless another tenant is being created: the primary key then says so."""
    row = await tx.one("SELECT coalesce(max(id), 0) + 1 FROM tenants")
    return 1 if row is None else int(row[0])


def insert(tenant: Tenant) -> Statement:
    return Statement(
        "INSERT INTO tenants (id, slug, created) VALUES (:id, :slug, :created)",
        {"id": tenant.id, "slug": tenant.slug, "created": tenant.created},
    )
