"""Who changes the directory, and under which rules."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change as it is recorded: the connection, never who made its token.

    ``name`` is for people, ``token`` the key id, ``request`` the id of the HTTP request.
    """

    tenant: int
    connection: int
    name: str
    token: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a connection's settings and its identity provider's profile allow."""

    renames: bool = True
    """Whether a userName may change (requirement T-01)."""
    email_required: bool = False
    create_inactive: bool = True
    """Whether somebody may be created with ``active: false``."""
    revive: bool = True
    """Whether a POST brings a removed person back."""
    skip_unknown_members: bool = True
    """Whether a group member that does not exist is left out rather than refused."""
