"""What a run measures: which rows, on which engines, at which sizes, for how long."""

from dataclasses import dataclass
from typing import Literal

Engine = Literal["sqlite", "postgresql"]

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
ENGINE_LABELS: dict[Engine, str] = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Shared:
    """A row that is compared with a bare server which answers the same bytes.

    Attributes:
        name: what ``--only`` calls it, and the driver.
        shares: the least share of the bare server's speed that each engine must reach.
        rates: requests/s that meet the bar as well, whatever the bare server does.
    """

    name: str
    subject: str
    shares: dict[Engine, float]
    rates: dict[Engine, float]


# In the order in which they run: creates come last, because they make the directory grow.
SHARED = (
    Shared("get", "GET a user by id", {"sqlite": 0.55, "postgresql": 0.25}, {}),
    Shared("filter-username", "filter userName eq", {"sqlite": 0.45, "postgresql": 0.20}, {}),
    Shared("filter-externalid", "filter externalId eq", {"sqlite": 0.45, "postgresql": 0.20}, {}),
    Shared("patch", "PATCH one attribute", {"postgresql": 0.10}, {}),
    Shared("create", "create, durable", {"sqlite": 0.15, "postgresql": 0.10}, {"sqlite": 3_000}),
)
# How much slower than the fastest size the others may be.
MOST_RATIO = 1.3
MOST_MEMORY_MB = 150.0
# What a run may grow by and still count as not growing: less than 50 bytes a request. Memory that
# each request leaves behind is more; the allocator's and the caches' ups and downs are less.
MOST_GROWTH_MB = 5.0

NAMES = (*(row.name for row in SHARED), "memory", "filter-size", "list-size", "group-patch")


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        names: the rows that are wanted, of NAMES.
        users: size of the directory for the rows that are compared with the bare server.
        few, many: sizes of the directories that are compared with each other.
        groups: sizes of the groups that are compared with each other, members.
        connections: how many send requests at once; groups are patched by one.
        requests: how many are sent while the server's memory is watched.
    """

    engines: tuple[Engine, ...] = ENGINES
    names: frozenset[str] = frozenset(NAMES)
    users: int = 10_000
    few: int = 1_000
    many: int = 100_000
    groups: tuple[int, ...] = (10, 1_000, 100_000)
    connections: int = 16
    seconds: float = 4.0
    warmup: float = 1.0
    repeat: int = 3
    requests: int = 100_000


FULL = Plan()
QUICK = Plan(
    users=1_000,
    few=200,
    many=4_000,
    groups=(10, 100, 2_000),
    seconds=1.0,
    warmup=0.3,
    repeat=1,
    requests=10_000,
)
