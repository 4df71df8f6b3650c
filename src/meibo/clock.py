"""The one clock: UTC microseconds since 1970, as every stored time is."""

import time

MICROSECONDS = 1_000_000


def now() -> int:
    """The time of the wall clock. Order between changes comes from their sequence, never from this."""
    return time.time_ns() // 1000
