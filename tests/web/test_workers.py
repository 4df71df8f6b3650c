"""Several processes on one address."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.postgres import free_port
from tests.reliability.inspection import prepare
from tests.reliability.wire import is_ready

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
async def test_workers_end_with_a_supervisor_that_is_killed(postgres_url: str) -> None:
    await prepare(postgres_url)
    port = free_port()
    supervisor = subprocess.Popen(  # noqa: ASYNC220 - it is to be killed, not awaited
        [
            *(sys.executable, "-m", "meibo", "serve", "--workers", "2", "--port", str(port)),
            *("--database", postgres_url),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    async with asyncio.timeout(30):
        while not await is_ready(port):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
    workers = psutil.Process(supervisor.pid).children()
    supervisor.kill()
    supervisor.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    for worker in alive:
        worker.kill()
    assert not alive
