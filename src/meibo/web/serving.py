"""Serve the application: open the database, bind the address, run one process or several."""

import asyncio
import contextlib
import multiprocessing
import signal
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog
import uvloop

from meibo.config import Settings
from meibo.storage.engine import open_database, sqlite_path
from meibo.storage.sqlite import serving_lock
from meibo.web.app import Application
from meibo.web.http_server import HttpServer, build_server

RESTART_SECONDS = 1.0  # between the end of a worker process and its successor's start

_log = structlog.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then answers what has begun and returns.

    Raises:
        ValueError: the database's URL is none.
        DatabaseUnavailable, SchemaMismatch: from ``open_database``, or another process serves it.
        OSError: the address cannot be listened on.
    """
    configure_logging()
    path = sqlite_path(settings.database)
    with contextlib.ExitStack() as stack:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(serving_lock(path))
        listening = stack.enter_context(_listening(settings.host, settings.port))
        if settings.workers == 1:
            uvloop.run(_serve(settings, listening))
        else:
            _supervise(settings, listening)


def configure_logging() -> None:
    """One line of JSON an event on standard error; on a terminal, text for people."""
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _serve(settings: Settings, listening: socket.socket) -> None:
    database = await open_database(settings.database, migrate=settings.migrate)
    try:
        app = Application(database, public_url=settings.public_url, rate_limit=settings.rate_limit)
        server = build_server(
            app,
            host=settings.host,
            port=settings.port,
            trusted_proxies=settings.trusted_proxies,
        )
        _end_with_supervisor(server)
        _log.info("serving", url=settings.public_url, host=settings.host, port=settings.port)
        await server.serve(sockets=[listening])
    finally:
        await database.close()


def _end_with_supervisor(server: HttpServer) -> None:
    """A worker does not outlive a supervisor who was killed: it would hold the address for ever."""
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(supervisor.sentinel)
            server.should_exit = True

        loop.add_reader(supervisor.sentinel, end)


@contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=2048) as listening:
        listening.setblocking(False)
        # Inherited by what is accepted: an answer's head and body are two writes, and the second
        # must not wait for the client to acknowledge the first.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listening


def _work(settings: Settings, listening: socket.socket) -> None:
    configure_logging()
    uvloop.run(_serve(settings, listening))


def _supervise(settings: Settings, listening: socket.socket) -> None:
    """Keeps as many processes as wanted on one listening socket until it is told to stop."""
    # The workers find the schema as it should be, and a wrong one is told once.
    asyncio.run(_check(settings))
    context = multiprocessing.get_context("spawn")
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    workers: list[SpawnProcess] = []
    while not stopping:
        workers = [each for each in workers if each.is_alive()]
        while len(workers) < settings.workers:
            worker = context.Process(target=_work, args=(settings, listening))
            worker.start()
            workers.append(worker)
        time.sleep(RESTART_SECONDS)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()


async def _check(settings: Settings) -> None:
    await (await open_database(settings.database, migrate=settings.migrate)).close()
