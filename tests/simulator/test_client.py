import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from meibo.simulator.client import (
    Client,
    LostAnswer,
    TokenRefused,
    Traffic,
    Unreachable,
)
from meibo.simulator.dialect import Request
from meibo.simulator.plan import Plan

URL = "http://127.0.0.1:8080/scim/v2/"
READ = Request("GET", "/Users?filter=userName+eq+%22a%40b%22")
WRITE = Request("POST", "/Groups", {"displayName": "営業部"})


class Script(httpx.AsyncBaseTransport):
    """Answers in turn what it is given: a status with headers, or an error; 200 after the last."""

    def __init__(self, *steps: int | tuple[int, dict[str, str]] | Exception) -> None:
        self._steps = list(steps)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self._steps.pop(0) if self._steps else 200
        if isinstance(step, Exception):
            raise step
        status, headers = step if isinstance(step, tuple) else (step, {})
        return httpx.Response(status, headers=headers, json={"detail": "as scripted"})


def client(script: Script, patience: float = 5.0, said: list[str] | None = None) -> Client:
    plan = Plan("entra", URL, "secret", patience_seconds=patience)
    headers = {"Accept": "application/scim+json", "Content-Type": "application/scim+json"}
    return Client(plan, headers, (said if said is not None else []).append, script)


async def test_a_request_carries_token_types_and_its_query_as_written():
    script = Script()
    async with client(script) as sender:
        await sender.send(READ)
        await sender.send(WRITE)
    read, write = script.requests
    assert str(read.url) == URL + "Users?filter=userName+eq+%22a%40b%22"
    assert read.headers["Authorization"] == "Bearer secret"
    assert "Content-Type" not in read.headers
    assert write.headers["Content-Type"] == "application/scim+json"
    assert write.content.decode() == '{"displayName":"営業部"}'


@pytest.mark.parametrize(
    "failure",
    [
        429,
        500,
        502,
        503,
        504,
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
    ],
    ids=repr,
)
async def test_a_failure_that_may_pass_is_tried_again(failure: int | Exception):
    script = Script(failure, failure)
    async with client(script) as sender:
        answer = await sender.send(WRITE)
    assert answer.status == 200
    assert (sender.traffic.requests, sender.traffic.repeated) == (3, 2)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 413, 301])
async def test_a_refusal_is_not_tried_again(status: int):
    script = Script(status)
    async with client(script) as sender:
        assert (await sender.send(WRITE)).status == status
    assert len(script.requests) == 1


async def test_a_request_that_always_fails_counts_as_answered_after_five_tries():
    script = Script(*[500] * 9)
    async with client(script) as sender:
        assert (await sender.send(WRITE)).status == 500
    assert len(script.requests) == 5


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_kept(status: int):
    began = time.monotonic()
    async with client(Script((status, {"Retry-After": "1"}))) as sender:
        await sender.send(READ)
    assert time.monotonic() - began >= 1.0


async def test_retry_after_may_be_a_date():
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    began = time.monotonic()
    async with client(Script((429, {"Retry-After": moment}))) as sender:
        await sender.send(READ)
    assert time.monotonic() - began > 0.5


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", ""])
async def test_a_retry_after_that_means_nothing_leaves_the_usual_pause(value: str):
    began = time.monotonic()
    async with client(Script((429, {"Retry-After": value}))) as sender:
        await sender.send(READ)
    assert time.monotonic() - began < 0.9  # not a second, nor a minute


async def test_a_refused_token_stops_at_once():
    script = Script(401)
    async with client(script) as sender:
        with pytest.raises(TokenRefused, match=r"401.*as scripted"):
            await sender.send(READ)
    assert len(script.requests) == 1


async def test_a_server_that_stays_away_ends_the_patience():
    said: list[str] = []
    script = Script(*[httpx.ConnectError("refused")] * 1_000)
    async with client(script, patience=1.0, said=said) as sender:
        with pytest.raises(Unreachable, match=r"for 1 seconds: no connection \(refused\)"):
            await sender.send(READ)
    assert len(said) == 1


async def test_a_longer_pause_than_the_patience_is_not_waited_for():
    began = time.monotonic()
    async with client(Script((503, {"Retry-After": "3600"}))) as sender:
        with pytest.raises(Unreachable, match="status 503"):
            await sender.send(READ)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), httpx.ReadTimeout("slow"), 500, 504])
async def test_a_request_that_may_not_be_repeated_tells_of_a_lost_answer(
    failure: int | Exception,
):
    script = Script(failure)
    async with client(script) as sender:
        with pytest.raises(LostAnswer):
            await sender.send(WRITE, repeatable=False)
    assert len(script.requests) == 1


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), 429, 503], ids=repr)
async def test_a_request_that_never_arrived_may_always_be_repeated(failure: int | Exception):
    script = Script(failure)
    async with client(script) as sender:
        assert (await sender.send(WRITE, repeatable=False)).status == 200


async def test_an_answer_that_is_no_json_is_an_answer_without_a_body():
    class Page(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(404, text="<h1>Not here</h1>")

    plan = Plan("entra", URL, "secret")
    async with Client(plan, {"Content-Type": "x/y"}, [].append, Page()) as sender:
        answer = await sender.send(READ)
    assert (answer.status, answer.body, answer.resource) == (404, None, {})


def test_latency_is_read_off_the_ordered_answers():
    traffic = Traffic()
    assert traffic.latency(0.5) == 0.0
    traffic.latencies.extend(number / 100 for number in range(100, 0, -1))
    assert traffic.latency(0.5) == pytest.approx(0.51)
    assert traffic.latency(0.95) == pytest.approx(0.96)
    assert traffic.latency(1.0) == pytest.approx(1.0)
