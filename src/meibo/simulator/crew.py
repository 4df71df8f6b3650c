"""Doing many things a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")


async def each(items: Sequence[_T], work: Callable[[_T], Awaitable[object]], at_once: int) -> None:
    """Do ``work`` for all ``items`` in their order, at most ``at_once`` of them at a time.

    The first exception cancels what is under way and is raised as it is, not in a group.
    """
    rest = iter(items)

    async def worker() -> None:
        for item in rest:
            await work(item)

    try:
        async with asyncio.TaskGroup() as crew:
            for _ in range(min(at_once, len(items))):
                crew.create_task(worker())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
