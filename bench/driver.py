"""A load driver for a SCIM server, a program of its own so that it has a processor to itself.

A closed loop: each keep-alive connection sends its next request when the last answer is complete.
Ids are learned from the answers, and nothing is removed. It takes the options and writes the rows
of the larger driver in whose place it stands (bench/load.py says when).
"""

import argparse
import gc
import json
import random
import select
import socket
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import psutil

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

STALL_SECONDS = 60.0
MEMBERS_PER_PATCH = 1_000
# Users outside a group, for the connections to add and remove.
SPARE = 256


class User(NamedTuple):
    user_name: str
    external_id: str
    id: str


class Job(NamedTuple):
    """One request: its bytes, the statuses and the part of the body that its answer must have."""

    request: bytes
    statuses: tuple[int, ...]
    needle: bytes = b""
    then: Callable[[bytes], None] | None = None


# What the connection with this number sends next; None ends it.
Source = Callable[[int], Job | None]


@dataclass(slots=True)
class Tally:
    """What came of a run: latencies in seconds, and what went wrong, with the first example."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    errors: int = 0
    wrong: int = 0
    sample: str | None = None


def parse(data: bytes) -> tuple[int, bytes] | None:
    """Status and body of an answer, None until it is whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[: end + 2].lower()
    at = head.find(b"\r\ncontent-length:")
    status = int(head[9:12])
    if at < 0 and status != 204:
        raise SystemExit("This driver reads only answers that have a Content-Length.")
    length = int(head[at + 17 : head.find(b"\r\n", at + 17)]) if at >= 0 else 0
    body = data[end + 4 :]
    return (status, body) if len(body) >= length else None


def drive(connections: list[socket.socket], source: Source, seconds: float) -> Tally:
    """Send what ``source`` gives on every connection until the time or the work is over."""
    tally = Tally()
    poller = select.epoll()
    numbers = {connection.fileno(): number for number, connection in enumerate(connections)}
    waiting: dict[int, tuple[Job, float]] = {}
    partial: dict[int, bytes] = {}
    started, cpu = perf_counter(), process_time()
    stop = started + seconds

    def send(fd: int) -> None:
        job = source(numbers[fd]) if perf_counter() < stop else None
        if job is not None:
            waiting[fd] = job, perf_counter()
            connections[numbers[fd]].sendall(job.request)

    gc.disable()  # its pauses would be taken for the server's
    for fd in numbers:
        poller.register(fd, select.EPOLLIN)
        send(fd)
    while waiting:
        events = poller.poll(STALL_SECONDS)
        if not events:
            raise SystemExit(f"The server has not answered for {STALL_SECONDS:.0f} s.")
        for fd, _ in events:
            data = connections[numbers[fd]].recv(1 << 18)
            if not data:
                raise SystemExit("The server closed a connection.")
            data = partial.pop(fd, b"") + data
            answer = parse(data)
            if answer is None:
                partial[fd] = data
                continue
            job, sent = waiting.pop(fd)
            tally.latencies.append(perf_counter() - sent)
            check(tally, job, *answer)
            send(fd)
    gc.enable()
    poller.close()
    tally.seconds = perf_counter() - started
    tally.cpu_seconds = process_time() - cpu
    return tally


def check(tally: Tally, job: Job, status: int, body: bytes) -> None:
    """Count an answer that is not the one that was wanted, and hand on one that is."""
    if status not in job.statuses:
        tally.errors += 1
    elif job.needle not in body:
        tally.wrong += 1
    else:
        if job.then is not None:
            job.then(body)
        return
    tally.sample = tally.sample or f"{status} {body[:300]!r}"


class Directory:
    """The server's users and groups as far as they are known, and the requests about them."""

    def __init__(self, base_url: str, token: str, users: list[User], seed_limit: float) -> None:
        url = urlsplit(base_url)
        self._seed_limit = seed_limit
        self.address = (url.hostname or "", url.port or 80)
        self.users = users
        self.size = 0
        self._prefix = url.path
        self._head = f"Host: {url.netloc}\r\nAccept: application/scim+json\r\n"
        if token:
            self._head += f"Authorization: Bearer {token}\r\n"
        self._run = uuid.uuid4().hex[:6]
        self._count = 0
        self._groups: dict[int, Source] = {}

    def connect(self, count: int) -> list[socket.socket]:
        connections = [socket.create_connection(self.address, timeout=30) for _ in range(count)]
        for connection in connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connections

    def ask(self, job: Job) -> Tally:
        """One request outside of any measurement; a wrong answer ends the program."""
        jobs = [job]
        [connection] = self.connect(1)
        with connection:
            tally = drive([connection], lambda _: jobs.pop() if jobs else None, 1e9)
        if tally.sample:
            raise SystemExit(f"The server answered {tally.sample}")
        return tally

    def count_users(self) -> int:
        found: list[int] = []
        self.ask(
            Job(
                self.request("GET", "/Users?startIndex=1&count=1"),
                (200,),
                then=lambda body: found.append(json.loads(body)["totalResults"]),
            )
        )
        return found[0]

    def add_users(self, count: int, connections: int) -> None:
        left = iter(range(count))

        def source(number: int) -> Job | None:
            return self.create(number) if next(left, None) is not None else None

        sockets = self.connect(connections)
        tally = drive(sockets, source, self._seed_limit)
        for each in sockets:
            each.close()
        if tally.sample:
            raise SystemExit(f"{tally.errors} users were refused, the first with {tally.sample}")
        if next(left, None) is not None:
            raise SystemExit(f"{count} users were not added within {self._seed_limit:.0f} s.")

    def request(self, method: str, path: str, body: object = None) -> bytes:
        line = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._head}"
        if body is None:
            return f"{line}\r\n".encode()
        content = json.dumps(body, separators=(",", ":")).encode()
        about = f"Content-Type: application/scim+json\r\nContent-Length: {len(content)}\r\n\r\n"
        return (line + about).encode() + content

    def create(self, _: int) -> Job:
        self._count += 1
        name = f"{self._run}{self._count:07d}"
        address, external_id = f"user.{name}@bench.example", f"ext-{name}"
        body = {
            "schemas": [CORE, ENTERPRISE],
            "userName": address,
            "externalId": external_id,
            "name": {"givenName": "Given", "familyName": f"Family{name}"},
            "displayName": f"Given Family{name}",
            "emails": [{"value": address, "type": "work", "primary": True}],
            "active": True,
            ENTERPRISE: {"department": "Sales"},
        }

        def keep(answer: bytes) -> None:
            self.users.append(User(address, external_id, json.loads(answer)["id"]))
            self.size += 1

        return Job(self.request("POST", "/Users", body), (201,), then=keep)

    def get(self, _: int) -> Job:
        user = random.choice(self.users)
        return Job(self.request("GET", f"/Users/{user.id}"), (200,), user.user_name.encode())

    def filter_user_name(self, _: int) -> Job:
        user = random.choice(self.users)
        return self._query(f'userName eq "{user.user_name}"', user)

    def filter_external_id(self, _: int) -> Job:
        user = random.choice(self.users)
        return self._query(f'externalId eq "{user.external_id}"', user)

    def _query(self, text: str, user: User) -> Job:
        request = self.request("GET", f"/Users?filter={quote(text)}")
        return Job(request, (200,), user.user_name.encode())

    def list_first(self, _: int) -> Job:
        return Job(self.request("GET", "/Users?startIndex=1&count=100"), (200,), b"userName")

    def patch(self, _: int) -> Job:
        if random.random() < 0.5:
            operation = {"op": "replace", "path": "active", "value": random.random() < 0.5}
        else:
            value = f"Name {random.random()}"
            operation = {"op": "replace", "path": "displayName", "value": value}
        user = random.choice(self.users)
        return Job(self._patch(f"/Users/{user.id}", operation), (200, 204))

    def _patch(self, path: str, operation: object) -> bytes:
        return self.request("PATCH", path, {"schemas": [PATCH], "Operations": [operation]})

    def group_patch(self, size: int) -> Source:
        """Each connection adds a user of its own to one group, then removes it, over and over."""
        if size in self._groups:
            return self._groups[size]
        self.add_users(max(0, size + SPARE - len(self.users)), 8)
        members, spare = self.users[:size], self.users[size : size + SPARE]
        body = {"schemas": [GROUP], "displayName": f"{size} members, {uuid.uuid4()}"}
        ids: list[str] = []
        request = self.request("POST", "/Groups", body)
        self.ask(Job(request, (201,), then=lambda answer: ids.append(json.loads(answer)["id"])))
        path = f"/Groups/{ids[0]}"
        for at in range(0, size, MEMBERS_PER_PATCH):
            value = [{"value": user.id} for user in members[at : at + MEMBERS_PER_PATCH]]
            operation = {"op": "add", "path": "members", "value": value}
            self.ask(Job(self._patch(path, operation), (200, 204)))
        turns: Counter[int] = Counter()

        def source(number: int) -> Job:
            turns[number] += 1
            user = spare[number]
            if turns[number] % 2:
                operation: object = {
                    "op": "add",
                    "path": "members",
                    "value": [{"value": user.id}],
                }
            else:
                operation = {"op": "remove", "path": f'members[value eq "{user.id}"]'}
            return Job(self._patch(path, operation), (200, 204))

        self._groups[size] = source
        return source

    def mixed(self) -> Source:
        """What an identity provider sends day by day: mostly questions, some changes."""
        sources = (
            *(self.filter_user_name, self.get, self.patch, self.create),
            *(self.group_patch(100), self.list_first),
        )
        weights = (45, 20, 23, 6, 4, 2)
        return lambda number: random.choices(sources, weights)[0](number)


def cpu_seconds(pids: list[int]) -> float:
    """Processor time of these processes and all their children, also of those that have ended."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            try:
                total += sum(each.cpu_times()[:4])
            except psutil.NoSuchProcess:
                continue  # its parent has its time by now
    return total


def measure(directory: Directory, source: Source, kind: str, options: argparse.Namespace) -> str:
    """The row of one run, as JSON."""
    connections = directory.connect(options.concurrency)
    if options.warmup:
        drive(connections, source, options.warmup)
    before = cpu_seconds(options.pid)
    tally = drive(connections, source, options.seconds)
    cpu = cpu_seconds(options.pid) - before
    for connection in connections:
        connection.close()
    latencies, count = sorted(tally.latencies), len(tally.latencies)
    if not count:
        return ""
    row = {
        "op": options.op,
        "kind": kind,
        "concurrency": options.concurrency,
        "users": directory.size,
        "seconds": tally.seconds,
        "requests": count,
        "rps": count / tally.seconds,
        "p50_ms": latencies[count // 2] * 1e3,
        "p99_ms": latencies[count * 99 // 100] * 1e3,
        "errors": tally.errors,
        "wrong": tally.wrong,
        "sample": tally.sample,
        "server_cpu_ms_per_request": cpu / count * 1e3 if options.pid else None,
        "driver_cpu_share": tally.cpu_seconds / tally.seconds,
    }
    return json.dumps(row) + "\n"


def sources_of(directory: Directory, options: argparse.Namespace) -> Iterator[tuple[str, Source]]:
    """What is to be measured one after the other, with the names of the rows."""
    match options.op:
        case "mixed":
            yield "mixed(all)", directory.mixed()
        case "group-patch":
            for size in options.members.split(","):
                yield f"group-patch-{size}(all)", directory.group_patch(int(size))
        case "get":
            yield "get", directory.get
        case "filter-username":
            yield "filter-username", directory.filter_user_name
        case "filter-externalid":
            yield "filter-externalid", directory.filter_external_id
        case "create":
            yield "create", directory.create
        case "patch":
            yield "patch", directory.patch
        case "list-first":
            yield "list-first", directory.list_first
        case _:
            sys.exit(f"There is no operation {options.op}.")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Load a SCIM server on this machine.")
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--op", required=True)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--users", type=int, default=0, help="fill the directory to this size")
    parser.add_argument("--pool", type=int, default=1, help="least number of users known by id")
    parser.add_argument("--members", default="10", help="sizes of groups, parted by commas")
    parser.add_argument("--seed-concurrency", type=int, default=8)
    parser.add_argument("--seed-limit", type=float, default=240.0, help="seconds for filling")
    parser.add_argument("--state", type=Path, required=True, help="keeps the known users")
    parser.add_argument("--pid", type=int, action="append", default=[], help="of the server")
    parser.add_argument("--json", type=Path, required=True, help="where the rows are appended")
    return parser.parse_args()


def main() -> None:
    options = read_options()
    known = json.loads(options.state.read_text()) if options.state.exists() else []
    users = [User(*each) for each in known]
    directory = Directory(options.base_url, options.token, users, options.seed_limit)
    directory.size = directory.count_users()
    missing = max(options.users - directory.size, options.pool - len(directory.users), 0)
    directory.add_users(missing, options.seed_concurrency)
    with options.json.open("a") as file:
        for kind, source in sources_of(directory, options):
            file.write(measure(directory, source, kind, options))
    options.state.write_text(json.dumps(directory.users))


if __name__ == "__main__":
    main()
