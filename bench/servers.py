"""The servers that are measured, processes of their own: Meibo on either engine, the bare one."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import psutil

from bench.bare import Answer, Answers
from bench.plan import Engine
from tests.postgres import ROOT, PostgresCluster, free_port, make_passable

START_SECONDS = 30.0
STOP_SECONDS = 15.0
# PostgreSQL's own default, where the tests' servers have less.
POSTGRES_SETTINGS = {"shared_buffers": "128MB"}


class BenchFailed(Exception):
    """A measurement could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server under way.

    Attributes:
        name: bare, sqlite or postgresql.
        state: the file in which the driver keeps the users that it knows, as [name, id, id].
        database_pid: of the database's own server, whose processor time counts as well.
    """

    name: str
    port: int
    pid: int
    state: Path
    token: str = ""
    database_pid: int | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/scim/v2"

    @property
    def pids(self) -> list[int]:
        return [self.pid, *([self.database_pid] if self.database_pid else [])]

    def resident_mb(self) -> float:
        """Resident memory of the server's process now, in MB of 10^6 bytes."""
        return psutil.Process(self.pid).memory_info().rss / 1e6

    def peak_mb(self) -> float:
        """The most that it ever had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        return int(match[1]) * 1024 / 1e6 if match else self.resident_mb()


@contextmanager
def postgres(directory: Path) -> Generator[PostgresCluster]:
    """A PostgreSQL server of our own in the directory, with fsync."""
    folder = directory / "pg"
    make_passable(directory)
    make_passable(folder)
    cluster = PostgresCluster(folder, settings=POSTGRES_SETTINGS)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.remove()


@contextmanager
def meibo(directory: Path, engine: Engine, cluster: PostgresCluster | None) -> Generator[Server]:
    """Meibo on a new database, one process, with a token of a tolerant connection."""
    directory.mkdir()
    url = f"sqlite:///{directory / 'meibo.sqlite3'}"
    if engine == "postgresql":
        if cluster is None:
            raise BenchFailed("PostgreSQL has not been started.")
        url = cluster.create_database()
    environment = _environment(directory, url)
    if engine == "postgresql":
        _run(environment, "migrate")
    issued = json.loads(_run(environment, "token", "generate", "--idp", "other", "--json"))
    port = free_port()
    command = ("-m", "meibo", "serve", "--port", str(port), "--workers", "1", "--rate-limit", "off")
    with _process(command, environment, directory / "serve.log", port) as pid:
        yield Server(
            engine,
            port,
            pid,
            directory / "users.json",
            issued["token"],
            cluster.pid if cluster and engine == "postgresql" else None,
        )


@contextmanager
def bare(directory: Path, measured: Server) -> Generator[Server]:
    """The bare server, which answers the bytes that ``measured``, a filled Meibo, answers."""
    directory.mkdir()
    user = json.loads(measured.state.read_text())[0]
    answers = directory / "answers.json"
    answers.write_bytes(msgspec.json.encode(_ask(measured, user)))
    state = directory / "users.json"
    state.write_text(json.dumps([user]))
    port = free_port()
    command = ("-m", "bench.bare", str(answers), str(port))
    environment = _environment(directory, "")
    with _process(command, environment, directory / "serve.log", port) as pid:
        yield Server("bare", port, pid, state)


def _ask(server: Server, user: tuple[str, str, str]) -> Answers:
    """The server's answers about one user whose name, external id and id these are."""
    name, external_id, id_ = user
    with httpx.Client(
        headers={"Authorization": f"Bearer {server.token}"}, trust_env=False, timeout=30
    ) as client:
        url = f"{server.base_url}/Users"
        got = client.get(f"{url}/{id_}")
        found = client.get(url, params={"filter": f'userName eq "{name}"'})
        # Another user of the same size, so that the answer is as long as for any of the others.
        body = {key: value for key, value in got.json().items() if key not in ("id", "meta")}
        body |= {"userName": f"x{name[1:]}", "externalId": f"x{external_id[1:]}"}
        created = client.post(url, json=body)
        operation = {"op": "replace", "path": "displayName", "value": body["displayName"]}
        message = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [operation],
        }
        patched = client.patch(f"{url}/{id_}", json=message)
    for answer in (got, found, created, patched):
        if answer.is_error:
            raise BenchFailed(f"{answer.request.method} was answered with {answer.text}")
    return Answers(*(_kept(answer) for answer in (got, found, created, patched)))


def _kept(answer: httpx.Response) -> Answer:
    # The length is the framework's to say.
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return Answer(answer.status_code, headers, answer.content)


def _environment(directory: Path, database: str) -> dict[str, str]:
    """Nobody's settings but ours."""
    inherited = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("MEIBO_") and not name.lower().endswith("_proxy")
    }
    # The database by the environment: the URL holds a password, and a command line is public.
    return {
        **inherited,
        "XDG_CONFIG_HOME": str(directory),
        **({"MEIBO_DATABASE": database} if database else {}),
    }


def _run(environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "meibo", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise BenchFailed(f"meibo {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def _process(
    command: tuple[str, ...], environment: Mapping[str, str], log: Path, port: int
) -> Generator[int]:
    """A server's process id, from when it listens until the context ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_ready(process, port, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Returns when the server answers HTTP, whatever it answers."""
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.get(f"http://127.0.0.1:{port}/health/ready")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
    raise BenchFailed(f"A server did not start: {log.read_text(errors='replace')[-1000:]}")
