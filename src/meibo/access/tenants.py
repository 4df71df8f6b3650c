"""Tenants: create and find them."""

import re

from meibo import audit
from meibo.access.errors import NotKnown, NotPossible
from meibo.storage import tenants as rows
from meibo.storage.database import Transaction
from meibo.storage.errors import UniqueViolation, VersionConflict
from meibo.storage.tenants import Tenant

DEFAULT_TENANT = "default"
"""The tenant whose SCIM base URL is ``/scim/v2``; every database is made with it."""

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def is_slug(text: str) -> bool:
    """Whether a tenant may be called that."""
    return _SLUG.fullmatch(text) is not None


async def create(tx: Transaction, slug: str, *, by: str, now: int) -> Tenant:
    """A new tenant, with nobody in it.

    Raises:
        NotPossible: the slug cannot stand in a URL, or is in use.
    """
    if not is_slug(slug):
        raise NotPossible(
            f"{slug!r} cannot be a tenant's slug: 1 to 63 lower-case letters, digits and hyphens,"
            " no hyphen at either end"
        )
    if await rows.by_slug(tx, slug) is not None:
        raise NotPossible(f"the tenant {slug!r} exists already")
    tenant = Tenant(await rows.next_id(tx), slug, now)
    try:
        await tx.write(
            rows.insert(tenant),
            audit.record(
                tx,
                tenant.id,
                audit.Event.TENANT_CREATED,
                subject=slug,
                by=by,
                at=now,
                details={"Tenant": slug},
            ),
        )
    except UniqueViolation as violation:
        # Another one was created between our read and our write: look again.
        raise VersionConflict(violation.constraint) from violation
    return tenant


async def find(tx: Transaction, slug: str) -> Tenant:
    """The tenant of that slug.

    Raises:
        NotKnown: there is none.
    """
    tenant = await rows.by_slug(tx, slug)
    if tenant is None:
        raise NotKnown(f"there is no tenant {slug!r}")
    return tenant
