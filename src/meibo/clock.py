"""The one clock: UTC microseconds since 1970, as every stored time is."""

import time

MICROSECONDS = 1_000_000


def now() -> int:
    """The time of the wall clock; the order of changes is their sequence, never this."""
    return time.time_ns() // 1000
