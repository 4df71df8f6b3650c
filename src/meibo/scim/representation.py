"""The JSON of a resource as it is stored and as it is answered (RFC 7643 §3, §3.1).

A resource is rendered once, when it changes. What is stored is the answer without the parts that
other things decide: ``meta.location`` (the public URL), a user's ``groups``, a group's ``members``
and the manager's name. ``meta`` stands last, so that a read puts them in by cutting two braces off.
"""

import msgspec

from meibo.scim.comparison import format_date_time
from meibo.scim.schema import Json, JsonObject

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict).decode


def etag(version: int) -> str:
    """The weak entity tag of a version (RFC 7644 §3.14)."""
    return f'W/"{version}"'


def stored(
    resource: JsonObject,
    *,
    resource_id: str,
    resource_type: str,
    created: int,
    last_modified: int,
    version: int,
) -> str:
    """The text to store. ``resource`` is without id and meta; times are microseconds."""
    document: JsonObject = {"schemas": resource["schemas"], "id": resource_id}
    document.update(resource)
    document["meta"] = {
        "resourceType": resource_type,
        "created": format_date_time(created),
        "lastModified": format_date_time(last_modified),
        "version": etag(version),
    }
    return _encode(document).decode()


def loaded(body: str) -> JsonObject:
    """The resource in a stored text, without id and meta, as ``stored`` takes it."""
    resource: JsonObject = _decode(body)
    del resource["id"], resource["meta"]
    return resource


def encode(value: Json) -> bytes:
    """Compact JSON in UTF-8."""
    return _encode(value)


def encode_text(value: Json) -> str:
    """Compact JSON as text, for a column of the database."""
    return _encode(value).decode()


def decode(data: str | bytes) -> JsonObject:
    """An object of our own making; a client's JSON goes through ``web.json_input``."""
    return _decode(data)


def user_answer(
    body: str, location: str, base_url: str, groups: str | None, manager: tuple[str, str] | None
) -> bytes:
    """A user as it goes out.

    Args:
        location: the user's URL.
        base_url: the URL of the SCIM service, for references.
        groups: JSON text of ``[{"value", "display"}, ...]``, None for none.
        manager: id and name of the manager where that is a person the client may see.
    """
    if manager is not None:
        body = _with_manager(body, base_url, *manager)
    if groups is None:
        return f'{body[:-2]},"location":"{location}"}}}}'.encode()
    direct = [
        {
            "value": group["value"],
            "$ref": f"{base_url}/Groups/{group['value']}",
            "display": group["display"],
            "type": "direct",
        }
        for group in msgspec.json.decode(groups)
    ]
    return b'%b,"location":"%b"},"groups":%b}' % (
        body[:-2].encode(),
        location.encode(),
        _encode(direct),
    )


def group_answer(body: str, location: str, members: bytes | None) -> bytes:
    """A group as it goes out; ``members`` is its JSON array, None when it was not read."""
    head = f'{body[:-2]},"location":"{location}"}}'.encode()
    return b"%b}" % head if members is None else b'%b,"members":%b}' % (head, members)


def member(base_url: str, member_id: str, member_type: str, display: str | None) -> JsonObject:
    """One element of ``members`` (RFC 7643 §4.2)."""
    element: JsonObject = {
        "value": member_id,
        "$ref": f"{base_url}/{member_type}s/{member_id}",
        "type": member_type,
    }
    if display is not None:
        element["display"] = display
    return element


def _with_manager(body: str, base_url: str, manager_id: str, name: str) -> str:
    # Our own compact JSON: inside a string value the quotes would be escaped.
    bare = f'"manager":{{"value":"{manager_id}"'
    full = f'{bare},"$ref":"{base_url}/Users/{manager_id}","displayName":{encode_text(name)}'
    return body.replace(bare, full, 1)
