"""What a simulation remembers on disk between two runs of the same plan."""

import json
from dataclasses import dataclass
from pathlib import Path

from meibo.scim.schema import Json, JsonObject
from meibo.simulator.plan import Plan


@dataclass(frozen=True, slots=True)
class State:
    """``cycle`` is the one that was begun last; ``strangers`` are the ids of what was on the
    server, and not ours, before the very first request."""

    cycle: int
    strangers: frozenset[str]


def read_state(plan: Plan) -> State | None:
    """The state of an earlier run of ``plan``; None without a state file, or before the first run.

    Raises:
        ValueError: the file belongs to another plan, or is no state file.
    """
    path = plan.state_file
    if path is None or not path.exists():
        return None
    try:
        content: Json = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no state file of a simulation: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no state file of a simulation")
    if content.get("plan") != _identity(plan):
        raise ValueError(f"{path} belongs to another simulation; delete it to start anew")
    cycle, strangers = content.get("cycle"), content.get("strangers")
    if not isinstance(cycle, int) or not isinstance(strangers, list):
        raise ValueError(f"{path} is no state file of a simulation")
    return State(min(max(cycle, 1), plan.cycles), frozenset(map(str, strangers)))


def write_state(plan: Plan, state: State) -> None:
    """Remember ``state``, whole or not at all; nothing without a state file."""
    path = plan.state_file
    if path is None:
        return
    content: JsonObject = {
        "plan": _identity(plan),
        "cycle": state.cycle,
        "strangers": list[Json](sorted(state.strangers)),
    }
    beside = Path(f"{path}.new")
    beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    beside.replace(path)


def _identity(plan: Plan) -> JsonObject:
    return {
        "vendor": plan.vendor,
        "base_url": plan.base_url,
        "users": plan.users,
        "groups": plan.groups,
        "cycles": plan.cycles,
        "seed": plan.seed,
    }
