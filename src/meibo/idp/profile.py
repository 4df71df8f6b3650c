"""How one connection's requests are read: its vendor's departures undone, or the RFCs alone."""

from dataclasses import dataclass
from functools import lru_cache, partial

from meibo.idp import quirks
from meibo.idp.entra import ENTRA
from meibo.idp.filters import undo_filter
from meibo.idp.generic import OTHER
from meibo.idp.okta import OKTA
from meibo.idp.operations import undo_patch
from meibo.idp.quirks import Quirk, Tolerance, Vendor
from meibo.idp.resources import undo_resource
from meibo.scim.elements import Leeway
from meibo.scim.filter import Filter
from meibo.scim.parser import MAX_FILTER_LENGTH, parse_filter
from meibo.scim.schema import Json, ResourceType

VENDORS: dict[str, Vendor] = {vendor.key: vendor for vendor in (ENTRA, OKTA, OTHER)}


@dataclass(frozen=True, slots=True)
class Profile:
    """Undoes what ``tolerated`` names, before the engine reads the request.

    ``vendor`` is a key of ``VENDORS``, ``label`` its name. A ``strict`` profile tolerates nothing
    and gives back every body as it came.
    """

    vendor: str
    label: str
    source_label: str
    strict: bool
    tolerated: frozenset[str]

    def resource(
        self,
        body: Json,
        resource_type: ResourceType,
        noted: set[str],
        ignored: list[str] | None = None,
    ) -> Json:
        """The body of a POST or PUT as the RFCs spell it; ``body`` itself is never changed.

        The names of the quirks that were undone are added to ``noted``, what was sent in vain and
        the engine will not tell to ``ignored``.
        """
        if not self.tolerated:
            return body
        return undo_resource(body, resource_type, Tolerance(self.tolerated, noted, ignored))

    def patch(
        self,
        message: Json,
        resource_type: ResourceType,
        own_id: str,
        noted: set[str],
        ignored: list[str],
    ) -> Json:
        """A PatchOp message as the RFCs spell it; ``message`` itself is never changed.

        ``own_id`` is the id of the resource that the message is to change. The names of the quirks
        that were undone are added to ``noted``, the paths of attributes that are not kept here, and
        so were taken out, to ``ignored``.
        """
        if not self.tolerated:
            return message
        tolerance = Tolerance(self.tolerated, noted, ignored)
        return undo_patch(message, resource_type, own_id, tolerance)

    def leeway(self, noted: set[str]) -> Leeway | None:
        """What may be undone only while a PATCH is applied; it is added to ``noted`` then."""
        if not self.tolerated:
            return None
        tolerance = Tolerance(self.tolerated, noted)
        return Leeway(
            first_primary=partial(tolerance.undoes, quirks.SEVERAL_PRIMARIES),
            drop_emptied=partial(tolerance.undoes, quirks.EMPTY_ELEMENT),
        )

    def filter(
        self,
        text: str,
        resource_type: ResourceType,
        noted: set[str],
        *,
        max_length: int = MAX_FILTER_LENGTH,
    ) -> Filter:
        """The filter that ``text`` was meant to be; the quirks undone for that go to ``noted``.

        Raises:
            InvalidFilter: it cannot be read.
        """
        if not self.tolerated:
            return parse_filter(text, resource_type, max_length=max_length)
        tolerance = Tolerance(self.tolerated, noted)
        return undo_filter(text, resource_type, tolerance, max_length=max_length)

    @property
    def strict_schemas(self) -> bool:
        """Whether ``schemas`` of a message must be there and right."""
        return not self._tolerates(quirks.WRONG_SCHEMAS)

    @property
    def bare_words(self) -> bool:
        """Whether the values of a filter may do without quotes."""
        return self._tolerates(quirks.BARE_WORD)

    @property
    def allow_empty_operations(self) -> bool:
        """Whether a PATCH may have no operations."""
        return self._tolerates(quirks.EMPTY_OPERATIONS)

    @property
    def skip_unknown_members(self) -> bool:
        """Whether a member that does not exist is skipped instead of refused."""
        return self._tolerates(quirks.UNKNOWN_MEMBER)

    @property
    def revives(self) -> bool:
        """Whether a POST brings back a removed person; to the RFCs it is a new one."""
        return not self.strict

    def _tolerates(self, quirk: Quirk) -> bool:
        return quirk.name in self.tolerated


@lru_cache(maxsize=16)
def profile_for(vendor: str, strict: bool) -> Profile:
    """The profile for connections of that vendor.

    Raises:
        ValueError: there is no such vendor.
    """
    known = VENDORS.get(vendor)
    if known is None:
        raise ValueError(f"unknown vendor {vendor!r}; known are {', '.join(VENDORS)}")
    tolerated = () if strict else known.tolerated
    return Profile(
        vendor=known.key,
        label=known.label,
        source_label=known.source_label,
        strict=strict,
        tolerated=frozenset(quirk.name for quirk in tolerated),
    )
