"""``python -m bench``: one table of how fast and how big Meibo is."""

import argparse
import json
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bench import machine, profiling, session
from bench.load import Load, find_driver
from bench.plan import ENGINE_LABELS, FULL, NAMES, QUICK, Plan
from bench.servers import BenchFailed
from bench.table import render
from tests.postgres import PostgresFailed

PROFILE_SECONDS = 10.0


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Meibo beside a bare server, in one run, and print one table.",
        epilog="docs/performance.md says what each row means.",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, one short run each")
    parser.add_argument(
        "--only", action="append", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--engine", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--repeat", type=int, metavar="N", help="runs of which medians are taken")
    parser.add_argument("--seconds", type=float, help="length of one run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("/var/tmp"),
        help="where the databases are; it must be on a disk (default: %(default)s)",
    )
    parser.add_argument(
        "--profile",
        choices=profiling.OPERATIONS,
        metavar="NAME",
        help=f"no table, but where the time goes: of {', '.join(profiling.OPERATIONS)}",
    )
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else FULL
    return replace(
        plan,
        engines=session.choose_engines(options.engine),
        names=frozenset(options.only or NAMES),
        repeat=max(1, options.repeat or plan.repeat),
        seconds=options.seconds or plan.seconds,
    )


def print_table(plan: Plan, directory: Path, output: Path | None) -> bool:
    """Measure, print the table, and tell whether all answers were right."""
    load = Load(find_driver(), plan.connections, plan.seconds, plan.warmup)
    about = machine.describe(directory, "bench/driver.py" if load.is_own else load.driver.name)
    about.append(
        f"Runs: {plan.connections} connections, medians of {plan.repeat} runs of "
        f"{plan.seconds:g} s, one server process, {plan.users:,} users unless a row says otherwise"
    )
    with session.opened(plan, load, directory) as opened:
        rows = list(opened.measure())
    print("\n".join(about), render(rows), sep="\n\n")
    if output is not None:
        told = {"about": about, "rows": [asdict(row) | {"verdict": row.verdict} for row in rows]}
        output.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return not any(row.run and row.run.failures for row in rows)


def print_profile(plan: Plan, directory: Path, operation: str, output: Path) -> None:
    """Say where each engine's server spends its time on one kind of request.

    The stacks stay in the directory ``output``.
    """
    load = Load(find_driver(), plan.connections, plan.seconds, plan.warmup)
    with session.opened(plan, load, directory) as opened:
        for engine in plan.engines:
            stacks = output / f"meibo-profile-{operation}-{engine}.txt"
            with opened.filled(engine, plan.users) as server:
                told = profiling.profile(load, server, operation, PROFILE_SECONDS, stacks)
            print(f"{operation} on {ENGINE_LABELS[engine]} (stacks in {stacks}): {told}")


def main(arguments: list[str] | None = None) -> int:
    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)  # so that the servers are stopped on the way out

    signal.signal(signal.SIGTERM, stop)
    options = read_options(arguments)
    plan = plan_of(options)
    try:
        with session.new_directory(options.directory) as directory:
            if options.profile:
                print_profile(plan, directory, options.profile, options.directory)
                return 0
            return 0 if print_table(plan, directory, options.json) else 1
    except (BenchFailed, PostgresFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
