"""HTTP to the server under test, with the patience of a provisioning service.

What is tried again, and when it ends:

- no connection, 502, 503, 504: doubling pauses with jitter, as long as somebody was answered
  within the last ``patience_seconds``;
- 429: the same, after ``Retry-After`` when there is one. The whole job waits, not one request;
- a lost answer (connection cut, time-out): the request is repeated, unless the caller says that
  a repetition may do harm: then ``LostAnswer``, and the caller looks first;
- any other 5xx: five tries, then it counts as the answer;
- 401: ``TokenRefused`` at once.
"""

import asyncio
import json
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from types import TracebackType

import httpx

from meibo.scim.schema import Json, JsonObject
from meibo.simulator.dialect import Request
from meibo.simulator.plan import Plan, is_loopback

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
_TRIES_OF_A_FAILING_REQUEST = 5
_TRIES_OF_ANY_REQUEST = 100
# One in so many accepted writes has its answer thrown away when the plan asks for lost answers.
_LOSE_ONE_IN = 40
# Okta takes an answer for lost after a minute.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


class Stopped(Exception):
    """The simulation cannot go on; the text says why."""


class TokenRefused(Stopped):
    """401: a real provider puts the job into quarantine."""


class Unreachable(Stopped):
    """Nothing has been answered for as long as the plan's patience lasts."""


class LostAnswer(Exception):
    """Whether the request was carried out is unknown, and it must not simply be repeated."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``body`` is None when there was none or it was no JSON."""

    status: int
    body: Json

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def resource(self) -> JsonObject:
        """The body if it is an object, else an empty one."""
        return self.body if isinstance(self.body, dict) else {}


@dataclass(slots=True)
class Traffic:
    """What went over the wire. ``latencies`` are seconds, one per answer."""

    requests: int = 0
    repeated: int = 0
    throttled: int = 0
    lost: int = 0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))

    def latency(self, share: float) -> float:
        """The latency in seconds that ``share`` of all answers did not exceed; 0 without any."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How one try went. ``answer`` may be given back when it need not, or cannot, be repeated;
    ``wanted_pause`` are the seconds that the server asked for."""

    answer: Answer | None
    failure: str | None
    outcome_unknown: bool = False
    wanted_pause: float | None = None
    throttled: bool = False


class Client:
    """One provider's connection to the server. Use it as an async context manager.

    Args:
        headers: the vendor's; the token is added.
        say: told once when the server is out of reach, and once when it is back.
        transport: in place of the network, for tests.
    """

    def __init__(
        self,
        plan: Plan,
        headers: Mapping[str, str],
        say: Callable[[str], None],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.traffic = Traffic()
        self._base_url = plan.base_url.rstrip("/")
        self._patience = plan.patience_seconds
        self._loses = "lost-answer" in plan.faults
        self._writes = 0
        self._say = say
        self._out_of_reach = False
        self._last_answer = time.monotonic()
        self._closed_until = 0.0
        self._jitter = Random(plan.seed)
        # A request without a body has no content type, whatever the vendor's is.
        self._content_type = {"Content-Type": headers["Content-Type"]}
        self._http = httpx.AsyncClient(
            headers={
                **{name: value for name, value in headers.items() if name != "Content-Type"},
                "Authorization": f"Bearer {plan.token}",
            },
            timeout=_TIMEOUT,
            limits=httpx.Limits(
                max_connections=plan.concurrency, max_keepalive_connections=plan.concurrency
            ),
            # A proxy from the environment would carry the token of a local server out of here.
            trust_env=not is_loopback(plan.base_url),
            transport=transport,
        )

    async def __aenter__(self) -> "Client":
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def send(self, request: Request, *, repeatable: bool = True) -> Answer:
        """The answer to ``request``, tried again as the module says.

        Raises:
            LostAnswer: no answer came, and ``repeatable`` is False.
            Stopped: there is no point in going on.
        """
        content = None if request.body is None else _encode(request.body)
        first_failure: float | None = None
        errors = 0
        for tries in range(1, _TRIES_OF_ANY_REQUEST + 1):
            await self._gate()
            attempt = await self._attempt(request, content)
            if attempt.answer is not None:
                errors += attempt.failure is not None
                if attempt.failure is None or errors == _TRIES_OF_A_FAILING_REQUEST:
                    self._reached()
                    return attempt.answer
            now = time.monotonic()
            first_failure = now if first_failure is None else first_failure
            left = self._patience - (now - max(first_failure, self._last_answer))
            if left <= 0 or (attempt.wanted_pause or 0) > left:
                raise Unreachable(
                    f"the server gave no usable answer for {self._patience:g} seconds: "
                    f"{attempt.failure}"
                )
            pause = attempt.wanted_pause or min(left, self._pause(tries))
            if attempt.throttled:
                self._closed_until = max(self._closed_until, now + pause)
            self.traffic.repeated += 1
            await asyncio.sleep(pause)
            if attempt.outcome_unknown and not repeatable:
                raise LostAnswer(attempt.failure)
        raise Unreachable(f"{request.method} {request.target} was never answered")

    async def _attempt(self, request: Request, content: bytes | None) -> "_Attempt":
        try:
            response = await self._exchange(request, content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            failure = f"no connection ({_name(error)})"
            self._missed(failure)
            return _Attempt(None, failure)
        except httpx.RequestError as error:
            failure = f"no answer ({_name(error)})"
            self._missed(failure)
            return _Attempt(None, failure, outcome_unknown=True)
        answer = Answer(response.status_code, _decode(response))
        failure = f"status {answer.status}"
        match answer.status:
            case 401:
                raise TokenRefused(f"the token was refused (401): {detail(answer)}")
            case 429:
                self.traffic.throttled += 1
                return _Attempt(None, failure, wanted_pause=_retry_after(response), throttled=True)
            case 503:
                return _Attempt(None, failure, wanted_pause=_retry_after(response))
            case 502 | 504:
                return _Attempt(None, failure, outcome_unknown=True)
            case status if status >= 500:
                return _Attempt(answer, failure, outcome_unknown=True)
            case _:
                return _Attempt(answer, None)

    async def _exchange(self, request: Request, content: bytes | None) -> httpx.Response:
        began = time.perf_counter()
        self.traffic.requests += 1
        response = await self._http.request(
            request.method,
            f"{self._base_url}{request.target}",
            content=content,
            headers=self._content_type if content is not None else None,
        )
        self.traffic.latencies.append(time.perf_counter() - began)
        if request.method != "GET" and response.is_success and self._loses:
            self._writes += 1
            if self._writes % _LOSE_ONE_IN == 1:
                self.traffic.lost += 1
                raise httpx.ReadTimeout("thrown away on purpose", request=response.request)
        return response

    async def _gate(self) -> None:
        """Wait until the job may send again after a 429."""
        pause = self._closed_until - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)

    def _pause(self, tries: int) -> float:
        longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(tries - 1, 10))
        return longest * (0.5 + self._jitter.random() / 2)

    def _reached(self) -> None:
        self._last_answer = time.monotonic()
        if self._out_of_reach:
            self._out_of_reach = False
            self._say("the server answers again")

    def _missed(self, failure: str) -> None:
        # One lost answer is daily life; only a silence is news.
        if not self._out_of_reach and time.monotonic() - self._last_answer > 0.5:
            self._out_of_reach = True
            self._say(
                f"the server does not answer, {failure}; trying for {self._patience:g} seconds"
            )


def detail(answer: Answer) -> str:
    """The ``detail`` of a SCIM error, or a word about what came instead."""
    text = answer.resource.get("detail")
    return text if isinstance(text, str) else "no SCIM error with a detail"


def scim_type(answer: Answer) -> str | None:
    """The ``scimType`` of a SCIM error."""
    value = answer.resource.get("scimType")
    return value if isinstance(value, str) else None


def _encode(body: JsonObject) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _decode(response: httpx.Response) -> Json:
    try:
        return json.loads(response.content) if response.content else None
    except (ValueError, RecursionError):
        return None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait, from either form of the header (RFC 9110 §10.2.3); None without one."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000" says nothing about the zone; HTTP dates are in UTC
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _name(error: Exception) -> str:
    return str(error) or type(error).__name__
