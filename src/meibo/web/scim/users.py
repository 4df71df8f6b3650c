"""``/Users``: create, read, query, replace, patch, delete (RFC 7644 §3.3-3.6)."""

from meibo.directory import users as directory
from meibo.scim import errors
from meibo.scim.projection import Projection
from meibo.scim.query import SearchRequest, list_response
from meibo.scim.representation import etag, user_answer
from meibo.scim.schema import JsonObject
from meibo.storage import resources, totals, users
from meibo.storage.database import Transaction
from meibo.storage.users import UserRow
from meibo.web.scim.exchange import Answer, Exchange, projection_of, shaped
from meibo.web.scim.querying import condition, page_of


async def create(exchange: Exchange) -> Answer:
    """POST /Users."""
    user_type = exchange.principal.user_type
    projection = exchange.projection(user_type)
    resource = exchange.checked(await exchange.json(), user_type).resource
    _name(exchange, resource)
    actor, rules = exchange.actor, exchange.rules
    written = await exchange.database.write(
        lambda tx: directory.create(tx, resource, user_type, by=actor, rules=rules)
    )
    return _written(exchange, written, projection, status=201)


async def read(exchange: Exchange, user_id: str) -> Answer:
    """GET /Users/{id}."""
    projection = exchange.projection(exchange.principal.user_type)
    groups = projection is None or projection.wants("groups")
    tenant, connection = exchange.tenant, exchange.connection
    row = await exchange.database.read(
        lambda tx: users.load(tx, tenant, connection, user_id, groups=groups)
    )
    if row is None:
        raise errors.NotFound(f"there is no user with the id {user_id}")
    return _answer(exchange, row, projection)


async def replace(exchange: Exchange, user_id: str) -> Answer:
    """PUT /Users/{id}."""
    user_type = exchange.principal.user_type
    projection = exchange.projection(user_type)
    resource = exchange.checked(await exchange.json(), user_type).resource
    _name(exchange, resource)
    actor, rules, if_match = exchange.actor, exchange.rules, exchange.if_match()
    written = await exchange.database.write(
        lambda tx: directory.replace(
            tx, user_id, resource, user_type, by=actor, rules=rules, if_match=if_match
        )
    )
    return _written(exchange, written, projection)


async def patch(exchange: Exchange, user_id: str) -> Answer:
    """PATCH /Users/{id}; answers 200 with the user, which Entra ID's validator compares."""
    user_type = exchange.principal.user_type
    projection = exchange.projection(user_type)
    operations = exchange.operations(await exchange.json(), user_type, user_id)
    actor, rules, if_match = exchange.actor, exchange.rules, exchange.if_match()
    written = await exchange.database.write(
        lambda tx: directory.patch_user(
            tx, user_id, operations, user_type, by=actor, rules=rules, if_match=if_match
        )
    )
    return _written(exchange, written, projection)


async def delete(exchange: Exchange, user_id: str) -> Answer:
    """DELETE /Users/{id}."""
    actor, if_match = exchange.actor, exchange.if_match()
    await exchange.database.write(
        lambda tx: directory.remove(tx, user_id, by=actor, if_match=if_match), locking=True
    )
    exchange.action = "removed"
    return Answer(204)


async def query(exchange: Exchange, search: SearchRequest) -> Answer:
    """GET /Users and POST /Users/.search."""
    user_type = exchange.principal.user_type
    projection = projection_of(search, user_type)
    groups = projection is None or projection.wants("groups")
    where = condition(exchange, search, user_type)
    tenant, connection = exchange.tenant, exchange.connection

    async def find(tx: Transaction) -> tuple[list[UserRow], int]:
        return await page_of(
            search,
            rows=lambda skip, count: users.page(
                tx, tenant, connection, where, skip=skip, count=count, groups=groups
            ),
            total=lambda: (
                totals.live(tx, tenant, connection, "User")
                if where is None
                else resources.count_matching(tx, tenant, connection, "users", where)
            ),
        )

    rows, total = await exchange.database.read(
        find, snapshot=where is None, scan=where is not None and not where.lookup
    )
    answers = [
        shaped(
            user_answer(
                row.body, _location(exchange, row), exchange.base_url, row.groups, row.manager
            ),
            projection,
        )
        for row in rows
    ]
    return Answer(200, list_response(total, search.start_index, answers))


def _written(
    exchange: Exchange,
    written: directory.Written,
    projection: Projection | None,
    *,
    status: int = 200,
) -> Answer:
    exchange.action = written.action or "no change"
    exchange.resource_id = written.row.id
    return _answer(exchange, written.row, projection, status=status)


def _answer(
    exchange: Exchange, row: UserRow, projection: Projection | None, *, status: int = 200
) -> Answer:
    location = _location(exchange, row)
    body = user_answer(row.body, location, exchange.base_url, row.groups, row.manager)
    return Answer(status, shaped(body, projection), etag(row.version), location)


def _location(exchange: Exchange, row: UserRow) -> str:
    return f"{exchange.base_url}/Users/{row.id}"


def _name(exchange: Exchange, resource: JsonObject) -> None:
    exchange.resource_name = str(resource["userName"])
