"""How often a connection may ask, and an address may be refused.

Token buckets in memory, for each process; the limits are those of docs/settings.md. Neither is ever
below the 25 requests/s that Entra ID needs for a tenant.
"""

import math

from throttled import RateLimiterType, Throttled, rate_limiter
from throttled.store import MemoryStore

from meibo.access.authentication import Principal
from meibo.scim.errors import TooManyRequests

REFUSALS_PER_MINUTE = 20
_CONNECTIONS = 10_000
_ADDRESSES = 10_000


class RateLimits:
    """The buckets of one process.

    Args:
        per_second: requests/s for each connection, with bursts of twice as many; None switches
            every limit off, that of refused log-ins too.
    """

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second
        self._connections = MemoryStore(options={"MAX_SIZE": _CONNECTIONS})
        self._buckets: dict[int, Throttled] = {}
        self._refusals = Throttled(
            using=RateLimiterType.TOKEN_BUCKET.value,
            quota=rate_limiter.per_min(REFUSALS_PER_MINUTE, burst=REFUSALS_PER_MINUTE),
            store=MemoryStore(options={"MAX_SIZE": _ADDRESSES}),
        )

    def spend(self, principal: Principal) -> None:
        """Takes one request from the connection's bucket.

        Raises:
            TooManyRequests: it is empty.
        """
        if self._per_second is None:
            return
        wanted = principal.connection.settings.rate_limit
        if wanted == "off":
            return
        per_second = wanted or self._per_second
        result = self._bucket(per_second).limit(f"{principal.tenant_id}/{principal.connection.id}")
        if result.limited:
            raise _refused(
                f"this connection sends more requests than its limit of {per_second:,} a second,"
                f" in bursts of {2 * per_second:,}",
                result.state.retry_after,
            )

    def spend_refusal(self, address: str) -> None:
        """Counts a refused log-in; only wrong credentials ever meet this limit.

        Raises:
            TooManyRequests: too many from the address within a minute.
        """
        if self._per_second is None:
            return
        result = self._refusals.limit(address)
        if result.limited:
            raise _refused(
                "this address sends more requests without accepted credentials than the limit of"
                f" {REFUSALS_PER_MINUTE} a minute",
                result.state.retry_after,
            )

    def _bucket(self, per_second: int) -> Throttled:
        found = self._buckets.get(per_second)
        if found is None:
            found = Throttled(
                using=RateLimiterType.TOKEN_BUCKET.value,
                quota=rate_limiter.per_sec(per_second, burst=2 * per_second),
                store=self._connections,
            )
            self._buckets[per_second] = found
        return found


def _refused(what: str, retry_after: float) -> TooManyRequests:
    # Okta understands whole seconds only.
    seconds = max(1, math.ceil(retry_after))
    return TooManyRequests(f"{what}; try again in {seconds} s", retry_after_seconds=seconds)
