"""``/Groups``: create, read, query, replace, patch, delete (RFC 7644 §3.3-3.6).

Members are read only when they are to be answered, and in chunks: a group of any size is streamed.
"""

from collections.abc import AsyncIterator

from meibo.directory import groups as directory
from meibo.idp.quirks import UNKNOWN_MEMBER
from meibo.scim import errors
from meibo.scim.projection import Projection
from meibo.scim.query import SearchRequest, list_response_head
from meibo.scim.representation import encode, etag, group_answer, member
from meibo.scim.schema import Json, JsonObject
from meibo.storage import groups, memberships, resources, totals
from meibo.storage.database import Transaction
from meibo.storage.groups import GroupRow
from meibo.storage.memberships import Member
from meibo.web.scim.exchange import (
    GROUP_BODY_LIMIT,
    MEMBERS_LIMIT,
    Answer,
    Body,
    Exchange,
    projection_of,
    shaped,
)
from meibo.web.scim.querying import condition, page_of

CHUNK = 1_000


async def create(exchange: Exchange) -> Answer:
    """POST /Groups."""
    group_type = exchange.principal.group_type
    projection = exchange.projection(group_type)
    resource = await _resource(exchange)
    actor, rules = exchange.actor, exchange.rules
    written = await exchange.database.write(
        lambda tx: directory.create(tx, resource, group_type, by=actor, rules=rules)
    )
    return await _written(exchange, written, projection, status=201)


async def read(exchange: Exchange, group_id: str) -> Answer:
    """GET /Groups/{id}; with ``excludedAttributes=members`` they are not read either."""
    projection = exchange.projection(exchange.principal.group_type)
    tenant, connection = exchange.tenant, exchange.connection
    with_members = projection is None or projection.wants("members")

    async def load(tx: Transaction) -> tuple[GroupRow, list[Member]] | None:
        row = await groups.load(tx, tenant, connection, group_id)
        if row is None:
            return None
        return row, await _chunk(tx, exchange, projection, row.id) if with_members else []

    found = await exchange.database.read(load)
    if found is None:
        raise errors.NotFound(f"there is no group with the id {group_id}")
    row, members = found
    body = await _body(exchange, row, members, projection)
    return Answer(200, body, etag(row.version), _location(exchange, row))


async def replace(exchange: Exchange, group_id: str) -> Answer:
    """PUT /Groups/{id}."""
    group_type = exchange.principal.group_type
    projection = exchange.projection(group_type)
    resource = await _resource(exchange)
    actor, rules, if_match = exchange.actor, exchange.rules, exchange.if_match()
    written = await exchange.database.write(
        lambda tx: directory.replace(
            tx, group_id, resource, group_type, by=actor, rules=rules, if_match=if_match
        )
    )
    return await _written(exchange, written, projection)


async def patch(exchange: Exchange, group_id: str) -> Answer:
    """PATCH /Groups/{id}; 204 unless attributes are asked for, since a group may be large."""
    group_type = exchange.principal.group_type
    projection = exchange.projection(group_type)
    sent = await exchange.json(body_limit=GROUP_BODY_LIMIT, array_limit=MEMBERS_LIMIT)
    operations = exchange.operations(sent, group_type, group_id)
    actor, rules, if_match = exchange.actor, exchange.rules, exchange.if_match()
    written = await exchange.database.write(
        lambda tx: directory.patch_group(
            tx, group_id, operations, group_type, by=actor, rules=rules, if_match=if_match
        )
    )
    if projection is None:
        _note(exchange, written)
        return Answer(204, etag=etag(written.row.version))
    return await _written(exchange, written, projection)


async def delete(exchange: Exchange, group_id: str) -> Answer:
    """DELETE /Groups/{id}; its people stay as they are."""
    actor, if_match = exchange.actor, exchange.if_match()
    await exchange.database.write(
        lambda tx: directory.remove(tx, group_id, by=actor, if_match=if_match), locking=True
    )
    exchange.action = "removed"
    return Answer(204)


async def query(exchange: Exchange, search: SearchRequest) -> Answer:
    """GET /Groups and POST /Groups/.search."""
    group_type = exchange.principal.group_type
    projection = projection_of(search, group_type)
    where = condition(exchange, search, group_type)
    tenant, connection = exchange.tenant, exchange.connection

    async def find(tx: Transaction) -> tuple[list[GroupRow], int]:
        return await page_of(
            search,
            rows=lambda skip, count: groups.page(
                tx, tenant, connection, where, skip=skip, count=count
            ),
            total=lambda: (
                totals.live(tx, tenant, connection, "Group")
                if where is None
                else resources.count_matching(tx, tenant, connection, "groups", where)
            ),
        )

    rows, total = await exchange.database.read(
        find, snapshot=where is None, scan=where is not None and not where.lookup
    )
    head = list_response_head(total, search.start_index, len(rows))
    return Answer(200, _listed(exchange, rows, projection, head))


async def _listed(
    exchange: Exchange,
    rows: list[GroupRow],
    projection: Projection | None,
    head: bytes,
) -> AsyncIterator[bytes]:
    yield head
    with_members = projection is None or projection.wants("members")
    for index, row in enumerate(rows):
        if index:
            yield b","
        members = await _read_chunk(exchange, projection, row.id) if with_members else []
        body = await _body(exchange, row, members, projection)
        if isinstance(body, bytes):
            yield body
        else:
            async for part in body:
                yield part
    yield b"]}"


async def _resource(exchange: Exchange) -> JsonObject:
    sent = await exchange.json(body_limit=GROUP_BODY_LIMIT, array_limit=MEMBERS_LIMIT)
    resource = exchange.checked(sent, exchange.principal.group_type).resource
    exchange.resource_name = str(resource["displayName"])
    return resource


async def _written(
    exchange: Exchange,
    written: directory.Written,
    projection: Projection | None,
    *,
    status: int = 200,
) -> Answer:
    _note(exchange, written)
    row = written.row
    with_members = projection is None or projection.wants("members")
    members = await _read_chunk(exchange, projection, row.id) if with_members else []
    body = await _body(exchange, row, members, projection)
    return Answer(status, body, etag(row.version), _location(exchange, row))


def _note(exchange: Exchange, written: directory.Written) -> None:
    exchange.action = written.action or "no change"
    exchange.resource_id = written.row.id
    if written.skipped:
        exchange.quirks.add(UNKNOWN_MEMBER.name)
    exchange.ignored.extend(f'members[value eq "{each[:60]}"]' for each in written.skipped)


async def _body(
    exchange: Exchange, row: GroupRow, members: list[Member], projection: Projection | None
) -> Body:
    """The group with its members, of which the first chunk has been read already."""
    location = _location(exchange, row)
    if projection is not None:
        listed: list[Json] = []
        async for chunk in _chunks(exchange, projection, row.id, members):
            listed.extend(_member(exchange, each) for each in chunk)
        return shaped(
            group_answer(row.body, location, encode(listed) if listed else None), projection
        )
    if len(members) < CHUNK:
        elements: list[Json] = [_member(exchange, each) for each in members]
        return group_answer(row.body, location, encode(elements) if elements else None)
    return _streamed(exchange, row, members)


async def _streamed(exchange: Exchange, row: GroupRow, first: list[Member]) -> AsyncIterator[bytes]:
    yield group_answer(row.body, _location(exchange, row), None)[:-1] + b',"members":['
    separator = b""
    async for chunk in _chunks(exchange, None, row.id, first):
        elements: list[Json] = [_member(exchange, each) for each in chunk]
        yield separator + encode(elements)[1:-1]
        separator = b","
    yield b"]}"


async def _chunks(
    exchange: Exchange, projection: Projection | None, group_id: str, first: list[Member]
) -> AsyncIterator[list[Member]]:
    chunk = first
    while chunk:
        yield chunk
        if len(chunk) < CHUNK:
            return
        chunk = await _read_chunk(exchange, projection, group_id, after=chunk[-1].id)


async def _read_chunk(
    exchange: Exchange, projection: Projection | None, group_id: str, *, after: str = ""
) -> list[Member]:
    return await exchange.database.read(
        lambda tx: _chunk(tx, exchange, projection, group_id, after=after)
    )


async def _chunk(
    tx: Transaction,
    exchange: Exchange,
    projection: Projection | None,
    group_id: str,
    *,
    after: str = "",
) -> list[Member]:
    display = projection is not None and projection.requests("members", "display")
    return await memberships.members(
        tx, exchange.tenant, group_id, after=after, count=CHUNK, display=display
    )


def _member(exchange: Exchange, found: Member) -> JsonObject:
    return member(exchange.base_url, found.id, found.type, found.display)


def _location(exchange: Exchange, row: GroupRow) -> str:
    return f"{exchange.base_url}/Groups/{row.id}"
