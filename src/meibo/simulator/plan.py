"""What a simulation is asked to do."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

Vendor: TypeAlias = Literal["entra", "okta"]
Fault: TypeAlias = Literal["duplicate", "bad-value", "lost-answer"]

ALL_FAULTS: frozenset[Fault] = frozenset(("duplicate", "bad-value", "lost-answer"))
LABELS: dict[Vendor, str] = {"entra": "Microsoft Entra ID", "okta": "Okta"}

MAX_USERS = 100_000
MAX_GROUPS = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """One simulation: which identity provider, against which server, with how large a company.

    The same vendor, seed, users, groups and cycles always make the same company with the same
    history, whatever the server does.

    Args:
        vendor: whose provisioning service to be.
        base_url: the SCIM base URL (``http://127.0.0.1:8080/scim/v2``).
        token: the bearer token of the connection.
        users: people in the first cycle; later cycles bring some more.
        groups: groups in the first cycle, the one with everybody in it included.
        cycles: 1 is the initial synchronisation alone; each further one brings changes.
        seed: another seed is another company, in another domain.
        concurrency: requests under way at once.
        faults: what is to go wrong on purpose. The report tells provoked refusals from others.
        state_file: remembers what a first run found and how far it came, so that a later run of
            the same plan resumes strictly. Without it the cycle is guessed from what is there.
        patience_seconds: how long an unreachable server is tried again before giving up.
        custom_attribute: send ``costCenterCode`` of the custom extension, which an administrator
            of the server has to have defined.
        okta_app: how Okta's app integration updates: an app from a template deactivates by PATCH
            and pushes groups by PATCH, one of the App Integration Wizard uses PUT for all.

    Raises:
        ValueError: a value is out of its range, or the base URL is not one.
    """

    vendor: Vendor
    base_url: str
    token: str = field(repr=False)
    users: int = 500
    groups: int = 25
    cycles: int = 3
    seed: int = 1
    concurrency: int = 8
    faults: frozenset[Fault] = frozenset()
    state_file: Path | None = None
    patience_seconds: float = 60.0
    custom_attribute: bool = True
    okta_app: Literal["template", "wizard"] = "template"

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("users", self.users, 1, MAX_USERS),
            ("groups", self.groups, 0, MAX_GROUPS),
            ("cycles", self.cycles, 1, 100),
            ("concurrency", self.concurrency, 1, 64),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} must be between {least:,} and {most:,}, not {value:,}")
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"the base URL must be an http or https address: {self.base_url}")
        if address.username is not None or address.password is not None:
            raise ValueError("the base URL must not hold a user name or a password")
        if address.port == 0:  # and a port that is no number raises here
            raise ValueError(f"the base URL's port cannot be 0: {self.base_url}")
        if address.query or address.fragment:
            raise ValueError(f"the base URL must end before any ? or #: {self.base_url}")
        if not self.token.isascii() or not self.token.isprintable() or " " in self.token:
            raise ValueError("the token must be printable ASCII without spaces")
        unknown = sorted(self.faults - ALL_FAULTS)
        if unknown:
            raise ValueError(f"unknown fault {', '.join(unknown)}; there are {fault_names()}")

    @property
    def label(self) -> str:
        """The vendor's name as people write it."""
        return LABELS[self.vendor]


def fault_names() -> str:
    """The faults that can be asked for, in one line."""
    return ", ".join(sorted(ALL_FAULTS))


def is_loopback(url: str) -> bool:
    """Whether ``url`` points at this machine by its text alone: no name but localhost is trusted.

    A name is never resolved, since what it resolves to may change between the check and the use.
    """
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    if not host:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
