"""What runs as processes: the service, a simulation against it, the demo."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Meibo

PROGRAM = [sys.executable, "-m", "meibo"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextmanager
def running(*arguments: str) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(url: str, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate()[0])


def test_a_simulation_against_a_server_with_settings_from_a_file(meibo: Meibo, home: Path) -> None:
    port = free_port()
    file = home / "config" / "meibo" / "meibo.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f'port = {port}\nrate_limit = "off"\ntrusted_proxy = "10.0.0.0/8 127.0.0.1"\n',
        encoding="utf-8",
    )
    meibo("attribute", "add", "costCenterCode")
    issued = meibo.json("token", "generate", "--idp", "okta")
    with running("serve") as server:
        wait_for(f"http://127.0.0.1:{port}", server)
        done = subprocess.run(
            [
                *PROGRAM,
                *("simulate", "okta", "--base-url", issued["scim_url"], "--users", "12"),
                *("--groups", "3", "--cycles", "2", "--faults", "duplicate", "--json"),
            ],
            env={**os.environ, "MEIBO_TOKEN": issued["token"]},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads(done.stdout)
        assert (report["ok"], report["verification"]["differences"]) == (True, [])
        assert issued["token"] not in done.stdout + done.stderr
        # A second server on the same file is refused, commands beside it are not.
        assert "already served" in meibo.refused("serve", code=3)
        assert len(meibo.json("user", "list")) >= 12
        answer = httpx.get(
            f"{issued['scim_url']}/Users?count=0",
            headers={
                "Authorization": f"Bearer {issued['token']}",
                "X-Forwarded-For": "192.0.2.66, 192.0.2.7, 10.1.2.3",
            },
            trust_env=False,
        )
        assert answer.status_code == 200
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=20)
        assert server.returncode == 0
    (token,) = meibo.json("token", "list")
    assert token["last_address"] == "192.0.2.7"
    assert "192.0.2.7" in meibo("token", "list")


def test_a_simulation_with_a_refused_token_fails(meibo: Meibo, home: Path) -> None:
    port = free_port()
    with running("serve", "--port", str(port)) as server:
        wait_for(f"http://127.0.0.1:{port}", server)
        url = f"http://127.0.0.1:{port}/scim/v2"
        result = meibo.run("simulate", "entra", "--base-url", url, "--token", "x", "--users", "2")
        assert result.exit_code == 1
        assert "not all is well" in result.stderr


def test_a_port_that_is_taken_is_told_in_one_line(meibo: Meibo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = meibo.refused("serve", "--port", str(port))
        assert line.startswith(f"127.0.0.1:{port} cannot be listened on: ")


def test_the_demo_tells_the_whole_story(home: Path) -> None:
    directory = home / "demo"
    directory.mkdir()
    (directory / "demo.sqlite3").write_text("of an earlier demo")
    others = [
        directory / name
        for name in ("meibo.sqlite3", "meibo-log.sqlite3", "demo.sqlite3.copy", "serve.log")
    ]
    for other in others:
        other.write_text("not the demo's")
    done = subprocess.run(
        [
            *PROGRAM,
            *("demo", "--exit", "--users", "20", "--groups", "4", "--port", str(free_port())),
            *("--directory", str(directory)),
        ],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "Microsoft Entra ID: 12 people, 2 groups",
        "Okta: 8 people, 2 groups",
        "All is well",
        "409 uniqueness, provoked",
        "the directory holds exactly what was sent",
        "meibo user list",
        str(directory),
    ):
        assert words in done.stdout
    assert "\x1b" not in done.stdout
    assert {other.read_text() for other in others} == {"not the demo's"}
    meibo = Meibo({"MEIBO_DATABASE": f"sqlite:///{directory}/demo.sqlite3"})
    people = meibo.json("user", "list")
    assert {each["connection"] for each in people} == {"entra", "okta"}
    assert all("meibo_scim_" not in text for text in (done.stdout, meibo("audit", "list")))


def test_the_demo_stays_up_until_it_is_interrupted(home: Path) -> None:
    port = free_port()
    with running("demo", "--users", "4", "--groups", "1", "--port", str(port)) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "stays up" in line:
                break
        url = f"http://127.0.0.1:{port}/health/ready"
        assert httpx.get(url, trust_env=False).status_code == 200
        assert "another demo is running in" in Meibo().refused("demo", "--exit", code=3)
        assert httpx.get(url, trust_env=False).json()["ready"] is True
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=20)
        assert demo.returncode == 0, rest
        assert "Stopped" in rest
        with pytest.raises(httpx.TransportError):
            httpx.get(url, trust_env=False)
