"""A bare server: Starlette on uvicorn (httptools, uvloop) that answers kept bytes.

What a handler costs before it has done anything. A POST or PATCH is read to its end, like every
handler must; no database, no token, no routing beyond Starlette's own.
"""

import socket
import sys
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class Answer(msgspec.Struct, frozen=True):
    """One answer of the measured service, as it went over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    def response(self) -> Response:
        return Response(self.body, self.status, self.headers)


class Answers(msgspec.Struct, frozen=True):
    """What the bare server answers to each kind of request."""

    get: Answer
    filter: Answer
    create: Answer
    patch: Answer


def build_application(answers: Answers) -> Starlette:
    async def get(_: Request) -> Response:
        return answers.get.response()

    async def query(_: Request) -> Response:
        return answers.filter.response()

    async def create(request: Request) -> Response:
        await request.body()
        return answers.create.response()

    async def patch(request: Request) -> Response:
        await request.body()
        return answers.patch.response()

    return Starlette(
        routes=[
            Route("/scim/v2/Users/{id}", get, methods=["GET"]),
            Route("/scim/v2/Users", query, methods=["GET"]),
            Route("/scim/v2/Users", create, methods=["POST"]),
            Route("/scim/v2/Users/{id}", patch, methods=["PATCH"]),
        ]
    )


def serve(answers: Path, port: int) -> None:
    """Serve the answers kept in a file on a port of 127.0.0.1 until SIGTERM."""
    app = build_application(msgspec.json.decode(answers.read_bytes(), type=Answers))
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        # The measured service sends neither, and the bytes are to be the same.
        server_header=False,
        date_header=False,
    )
    with socket.create_server(("127.0.0.1", port), backlog=2048) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
