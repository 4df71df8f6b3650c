"""One SCIM request on its way through: what came, who sent it, what is answered and logged."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from starlette.types import Receive, Scope

from meibo.access.authentication import Principal
from meibo.directory.actor import Actor, Rules
from meibo.idp.profile import Profile
from meibo.scim import errors
from meibo.scim.patch import Operation, parse_patch
from meibo.scim.projection import Projection
from meibo.scim.query import SearchRequest
from meibo.scim.representation import decode, encode
from meibo.scim.resource import Checked, check
from meibo.scim.schema import Json, ResourceType
from meibo.storage.database import Database
from meibo.web.body import read_body
from meibo.web.json_input import decode_off_loop

BODY_LIMIT = 1024 * 1024
# Some identity providers put whole groups: 100,000 members of 80 bytes.
GROUP_BODY_LIMIT = 8 * BODY_LIMIT
ARRAY_LIMIT = 1_000
MEMBERS_LIMIT = 100_000

Body: TypeAlias = bytes | AsyncIterator[bytes]


@dataclass(slots=True)
class Answer:
    """What goes back. A body that is an iterator is streamed."""

    status: int
    body: Body = b""
    etag: str | None = None
    location: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(slots=True)
class Exchange:
    """A request whose sender is known.

    ``base_url`` is the public URL of the SCIM service that was asked; ``path`` what follows it. The
    fields from ``action`` on are for the provisioning log.
    """

    database: Database
    principal: Principal
    profile: Profile
    scope: Scope
    receive: Receive
    headers: Mapping[bytes, bytes]
    method: str
    path: str
    base_url: str
    request_id: str

    action: str = ""
    resource_type: str | None = None
    resource_id: str | None = None
    resource_name: str | None = None
    quirks: set[str] = field(default_factory=set[str])
    ignored: list[str] = field(default_factory=list[str])

    @property
    def tenant(self) -> int:
        """The tenant that the credential belongs to."""
        return self.principal.tenant_id

    @property
    def connection(self) -> int:
        """The connection that the credential belongs to."""
        return self.principal.connection.id

    @property
    def actor(self) -> Actor:
        """Who changes something in this request: the connection."""
        principal = self.principal
        return Actor(
            tenant=principal.tenant_id,
            connection=principal.connection.id,
            name=principal.connection.name,
            token=principal.token_id,
            request=self.request_id,
        )

    @property
    def rules(self) -> Rules:
        """What this connection may do."""
        settings = self.principal.connection.settings
        return Rules(
            renames=settings.user_name_changes == "allow",
            email_required=settings.email_required,
            create_inactive=settings.inactive_on_create == "accept",
            revive=self.profile.revives,
            skip_unknown_members=self.profile.skip_unknown_members,
        )

    def if_match(self) -> str | None:
        """The If-Match header."""
        value = self.headers.get(b"if-match")
        return None if value is None else value.decode("latin-1")

    def parameters(self) -> dict[str, str]:
        """The query parameters, their names as they were sent.

        Raises:
            InvalidValue: one is repeated.
            InvalidSyntax: one is not UTF-8.
        """
        query: bytes = self.scope["query_string"]
        found: dict[str, str] = {}
        for pair in query.split(b"&"):
            if not pair:
                continue
            name, _, value = pair.partition(b"=")
            key = _form_decoded(name)
            if key in found:
                raise errors.InvalidValue(f"the query parameter {key[:60]!r} is given twice")
            found[key] = _form_decoded(value)
        return found

    def search_request(self) -> SearchRequest:
        """The query of a GET."""
        return SearchRequest.from_parameters(self.parameters())

    def projection(self, resource_type: ResourceType) -> Projection | None:
        """What ``attributes`` and ``excludedAttributes`` ask for; None for everything."""
        if not self.scope["query_string"]:
            return None
        return projection_of(self.search_request(), resource_type)

    async def json(self, *, body_limit: int = BODY_LIMIT, array_limit: int = ARRAY_LIMIT) -> Json:
        """The body.

        Raises:
            PayloadTooLarge, UnsupportedMediaType, RequestTimeout, InvalidSyntax.
        """
        data = await read_body(self.scope, self.receive, body_limit)
        return await decode_off_loop(data, max_array=array_limit)

    def checked(self, body: Json, resource_type: ResourceType) -> Checked:
        """The resource in a body, the client's known departures undone.

        Raises:
            InvalidSyntax, InvalidValue.
        """
        ignored: list[str] = []
        body = self.profile.resource(body, resource_type, self.quirks, ignored)
        checked = check(body, resource_type, strict_schemas=self.profile.strict_schemas)
        self.note_ignored(ignored + checked.ignored)
        return checked

    def operations(
        self, message: Json, resource_type: ResourceType, own_id: str
    ) -> list[Operation]:
        """The operations of a PATCH of the resource ``own_id``, known departures undone.

        Raises:
            InvalidSyntax, InvalidPath, InvalidValue, NoTarget, Mutability.
        """
        profile = self.profile
        ignored: list[str] = []
        message = profile.patch(message, resource_type, own_id, self.quirks, ignored)
        self.note_ignored(ignored)
        return parse_patch(
            message,
            resource_type,
            own_id=own_id,
            strict_schemas=profile.strict_schemas,
            allow_empty=profile.allow_empty_operations,
            bare_words=profile.bare_words,
            leeway=profile.leeway(self.quirks),
        )

    def note_ignored(self, paths: list[str]) -> None:
        """Logs attributes that are not stored, or refuses them where the connection says so.

        Raises:
            InvalidValue: the connection refuses unknown attributes.
        """
        if paths and self.principal.connection.settings.unknown_attributes == "refuse":
            raise errors.InvalidValue(
                f"{paths[0][:60]} is not an attribute that is kept here, and this connection"
                " refuses unknown attributes"
            )
        self.ignored.extend(paths)


def projection_of(search: SearchRequest, resource_type: ResourceType) -> Projection | None:
    """What a query's ``attributes`` and ``excludedAttributes`` ask for; None for everything."""
    return Projection.parse(search.attributes, search.excluded_attributes, resource_type)


def shaped(body: bytes, projection: Projection | None) -> bytes:
    """A resource's answer with only what was asked for."""
    return body if projection is None else encode(projection.apply(decode(body)))


def _form_decoded(text: bytes) -> str:
    if b"%" in text or b"+" in text:
        text = unquote_to_bytes(text.replace(b"+", b" "))
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise errors.InvalidSyntax("a query parameter is not UTF-8") from error
