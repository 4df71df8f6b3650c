"""Ids of resources and requests, made here and by nobody else (docs/decisions/0013)."""

import os
import time


def new_id() -> str:
    """A UUIDv7 (RFC 9562 §5.7): ids of later resources sort after those of earlier ones.

    Also within a millisecond, whose fraction stands in the 12 bits behind it (§6.2, method 3).
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    random = int.from_bytes(os.urandom(8), "big")
    return (
        f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{(rest << 12) // 1_000_000:03x}"
        f"-{0x8000 | random >> 50:04x}-{random & 0xFFFFFFFFFFFF:012x}"
    )
