"""Rate limits: who is held up, for how long, and who never is."""

import dataclasses

import pytest

from meibo.access.authentication import Principal
from meibo.access.connection_settings import ConnectionSettings
from meibo.access.connections import Connection
from meibo.scim.core_schemas import group_type, user_type
from meibo.scim.errors import TooManyRequests
from meibo.web.limits import REFUSALS_PER_MINUTE, RateLimits


def principal(connection: int = 1, **settings: object) -> Principal:
    """Somebody of a connection with these settings."""
    chosen = dataclasses.replace(ConnectionSettings(), **settings)
    owner = Connection(
        id=connection,
        vendor="other",
        name="other",
        strict=False,
        settings=chosen,
        created=0,
    )
    return Principal(1, owner, "a" * 12, user_type(), group_type(), "")


def spent(limits: RateLimits, who: Principal, most: int) -> int:
    """How many requests pass before the first that does not."""
    for passed in range(most):
        try:
            limits.spend(who)
        except TooManyRequests:
            return passed
    return most


def test_a_burst_of_twice_the_rate_passes_and_then_nothing() -> None:
    assert 60 <= spent(RateLimits(30), principal(), 100) <= 64


def test_a_connection_that_is_over_its_limit_does_not_hold_up_another() -> None:
    limits = RateLimits(30)
    spent(limits, principal(1), 100)
    assert spent(limits, principal(2), 50) == 50


def test_a_connection_may_have_a_limit_of_its_own() -> None:
    limits = RateLimits(1_000)
    assert 50 <= spent(limits, principal(rate_limit=25), 100) <= 54
    assert spent(limits, principal(rate_limit="off"), 5_000) == 5_000


def test_the_refusal_says_in_whole_seconds_when_to_come_back() -> None:
    limits, who = RateLimits(30), principal()
    spent(limits, who, 100)
    with pytest.raises(TooManyRequests) as refused:
        limits.spend(who)
    assert refused.value.retry_after_seconds == 1


def test_the_refusal_names_the_limit_of_the_connection() -> None:
    limits, who = RateLimits(30), principal(rate_limit=1_000)
    spent(limits, who, 5_000)
    with pytest.raises(TooManyRequests, match=r"limit of 1,000 a second, in bursts of 2,000;"):
        limits.spend(who)


def test_wrong_credentials_are_counted_by_address() -> None:
    limits = RateLimits(30)
    for _ in range(REFUSALS_PER_MINUTE):
        limits.spend_refusal("192.0.2.1")
    with pytest.raises(TooManyRequests, match="limit of 20 a minute; try again in") as refused:
        limits.spend_refusal("192.0.2.1")
    assert refused.value.retry_after_seconds is not None
    assert 1 <= refused.value.retry_after_seconds <= 60
    limits.spend_refusal("192.0.2.2")


def test_off_switches_both_off() -> None:
    limits = RateLimits(None)
    assert spent(limits, principal(rate_limit=25), 1_000) == 1_000
    for _ in range(10 * REFUSALS_PER_MINUTE):
        limits.spend_refusal("192.0.2.1")
