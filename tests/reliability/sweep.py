"""Carries out a request and dies at a chosen point of it: ``python -m tests.reliability.sweep``.

Points lie before and after every call to the database's driver. Orders come as JSON lines on
standard input; for each one a child is forked that carries it out, and a line says what became of
it. The service itself knows nothing of this.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import apsw
import asyncpg
import msgspec

from tests.reliability.door import open_door


class Order(msgspec.Struct, frozen=True):
    """A request, and the point at which to die; ``contested``: as if another writer came first."""

    url: str
    token: str
    method: str
    path: str
    body: Any  # JSON
    point: int
    contested: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """The answer's status, None when the process died before there was one."""

    status: int | None


class _Points:
    """Counts; dies at the wanted one. None are counted before ``armed``."""

    def __init__(self, wanted: int) -> None:
        self.left = wanted
        self.armed = False

    def passed(self) -> None:
        if self.armed:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _around_sqlite(points: _Points) -> None:
    class PointedConnection(apsw.Connection):
        def execute(self, *arguments: Any, **named: Any) -> apsw.Cursor:
            points.passed()
            found = super().execute(*arguments, **named)
            points.passed()
            return found

    apsw.Connection = PointedConnection


def _around_postgresql(points: _Points, *, contested: bool) -> None:
    def pointed(call: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def run(self: object, sql: str, *arguments: object, **named: object) -> object:
            nonlocal contested
            points.passed()
            if contested and sql.startswith("WITH w0"):
                # What a guard raises that touches no row.
                contested = False
                raise asyncpg.DivisionByZeroError
            found = await call(self, sql, *arguments, **named)
            points.passed()
            return found

        return run

    for name in ("execute", "fetch", "fetchrow"):
        setattr(asyncpg.Connection, name, pointed(getattr(asyncpg.Connection, name)))


async def _carry_out(order: Order, points: _Points) -> int:
    async with open_door(order.url, order.token) as door:
        # Who is asking is known by now; the points are in the operation itself.
        await door.ask("GET", "/ServiceProviderConfig")
        points.armed = True
        answer = await door.ask(order.method, order.path, order.body)
        points.armed = False
        return answer.status


def _child(order: Order, pipe: int) -> None:
    points = _Points(order.point)
    if order.url.startswith("sqlite"):
        _around_sqlite(points)
    else:
        _around_postgresql(points, contested=order.contested)
    status = asyncio.run(_carry_out(order, points))
    os.write(pipe, str(status).encode())


def main() -> None:
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _child(order, writing)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and status != 0:
            raise SystemExit(f"the child ended with {status}")
        outcome = Outcome(int(told) if told else None)
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
