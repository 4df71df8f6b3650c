"""The life of a token, on both engines."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from meibo import audit
from meibo.access import connections, tokens
from meibo.access.errors import NotKnown, NotPossible, TokenLimit
from meibo.access.token_format import TOKEN_PATTERN, checksum, hash_of, new_token, take_apart
from meibo.access.tokens import status_of
from meibo.storage import tokens as rows
from tests.access.conftest import DAY, HOUR, House


def test_a_token_matches_the_expression_for_secret_scanners() -> None:
    token = new_token()
    assert re.fullmatch(TOKEN_PATTERN, token.text)
    assert len(token.text) == 73
    assert take_apart(token.text) == (token.id, token.text[24:67])
    assert token.hash == hash_of(token.text[24:67])
    assert token.text not in repr(token)


def test_two_tokens_are_never_alike() -> None:
    made = [new_token() for _ in range(200)]
    assert len({each.id for each in made}) == len({each.hash for each in made}) == 200


@pytest.mark.parametrize("place", range(73))
def test_a_token_with_one_character_changed_is_none(place: int) -> None:
    text = new_token().text
    wrong = "x" if text[place] != "x" else "y"
    assert take_apart(text[:place] + wrong + text[place + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("meibo_scim_" + "a" * 62, id="no second underscore"),
        pytest.param("meibo_scim_" + "é" * 12 + "_" + "a" * 49, id="other letters"),
        pytest.param(new_token().text + "\n", id="line feed at the end"),
        pytest.param(new_token().text.swapcase(), id="other letter case"),
    ],
)
def test_what_is_no_token_is_none(text: str) -> None:
    assert take_apart(text) is None


def test_the_checksum_covers_all_before_it() -> None:
    token = new_token().text
    assert checksum(token[:67]) == token[67:]


async def test_the_first_token_makes_the_connection(house: House) -> None:
    issued = await house.generate("entra", description="for Tokyo")
    assert issued.connection_created
    assert issued.token.connection.name == "entra"
    assert not issued.token.connection.strict
    token = issued.token.row
    assert (token.slot, token.status, token.description) == (1, "active", "for Tokyo")
    assert token.expires == house.now + 365 * DAY
    assert token.created_by == "CLI (tester)"
    # Within one write the order of the rows has no meaning.
    connection, created = sorted(await house.audit(), key=lambda row: row.event)
    assert (connection.event, connection.subject) == ("Connection Created", "entra")
    assert (created.event, created.subject, created.actor, created.at) == (
        "SCIM Token Created",
        issued.token.id,
        "CLI (tester)",
        house.now,
    )
    assert audit.as_text(audit.details_of(created)) == (
        f"IdP: Entra ID (Azure); Connection: entra; Token: {issued.token.id};"
        " Expires: 2028-01-15T08:00:00Z"
    )


async def test_only_a_hash_of_the_secret_is_stored(house: House) -> None:
    issued = await house.generate()
    stored = await house.read(rows.load, issued.token.id)
    assert stored is not None
    secret = issued.secret.text[24:67]
    assert stored.secret_hash == hash_of(secret)
    assert secret not in repr(stored)
    assert all(secret not in row.details for row in await house.audit())


async def test_a_token_can_be_made_to_live_for_ever(house: House) -> None:
    issued = await house.generate(life=None)
    assert issued.token.row.expires is None
    details = [audit.details_of(row) for row in await house.audit()]
    assert [each["Expires"] for each in details if "Expires" in each] == ["never"]


async def test_the_third_token_is_refused_with_the_names_of_both(house: House) -> None:
    first = await house.generate()
    second = await house.generate()
    assert {first.token.row.slot, second.token.row.slot} == {1, 2}
    await house.audit()
    with pytest.raises(TokenLimit) as refusal:
        await house.generate()
    assert first.token.id in str(refusal.value)
    assert second.token.id in str(refusal.value)
    assert "last used: never" in str(refusal.value)
    assert [each.id for each in refusal.value.tokens] == [first.token.id, second.token.id]
    assert await house.events() == []


@pytest.mark.parametrize("state", ["inactive", "expired"])
async def test_a_token_that_does_not_work_counts_too(house: House, state: str) -> None:
    first = await house.generate(life=DAY)
    if state == "inactive":
        await house.write(tokens.deactivate, first.token.id)
    else:
        house.now += 2 * DAY
    await house.generate()
    with pytest.raises(TokenLimit, match=state):
        await house.generate()


async def test_a_deleted_token_gives_its_slot_free(house: House) -> None:
    first = await house.generate()
    await house.generate()
    await house.write(tokens.delete, first.token.id)
    third = await house.generate()
    assert third.token.row.slot == 1
    listed = await house.read(tokens.list_tokens)
    assert [(each.id, each.row.status) for each in listed][-1] == (first.token.id, "deleted")


async def test_each_connection_has_two_tokens_of_its_own(house: House) -> None:
    for name in ("tokyo", "osaka"):
        for _ in range(2):
            await house.generate("okta", connection=name)
    assert len(await house.read(tokens.list_tokens)) == 4


async def test_twenty_at_once_make_exactly_two(house: House) -> None:
    attempts = await asyncio.gather(
        *(house.generate("other", connection="busy") for _ in range(20)), return_exceptions=True
    )
    made = [each for each in attempts if isinstance(each, tokens.Issued)]
    assert len(made) == 2
    assert sum(each.connection_created for each in made) == 1
    assert all(isinstance(each, tokens.Issued | TokenLimit) for each in attempts), attempts
    assert {each.row.slot for each in await house.read(tokens.list_tokens)} == {1, 2}
    assert sorted(await house.events()) == [
        "Connection Created",
        "SCIM Token Created",
        "SCIM Token Created",
    ]


@pytest.mark.parametrize(
    "named, why",
    [
        pytest.param(
            {"vendor": "okta", "connection": "entra"}, "of the vendor 'entra'", id="vendor"
        ),
        pytest.param({"vendor": "entra", "strict": True}, "exists already", id="strict later"),
        pytest.param({"vendor": "entra", "life": DAY - 1}, "1 to 3650 days", id="too short"),
        pytest.param({"vendor": "entra", "life": 3_651 * DAY}, "1 to 3650 days", id="too long"),
        pytest.param({"vendor": "entra", "description": "a\nb"}, "one line", id="two lines"),
        pytest.param({"vendor": "okta", "connection": " x"}, "white space", id="space before"),
        pytest.param({"vendor": "okta", "connection": "x\u202ey"}, "invisible", id="bidi override"),
        pytest.param({"vendor": "okta", "connection": "x" * 65}, "1 to 64", id="long name"),
    ],
)
async def test_what_cannot_be_generated(house: House, named: dict[str, str], why: str) -> None:
    await house.generate("entra")
    await house.audit()
    with pytest.raises(NotPossible, match=why):
        await house.write(tokens.generate, **named)
    assert await house.events() == []


async def test_switching_off_and_on(house: House) -> None:
    token = (await house.generate()).token.id
    await house.audit()
    off = await house.write(tokens.deactivate, token)
    assert (off.changed, off.token.row.status) == (True, "inactive")
    on = await house.write(tokens.activate, token)
    assert (on.changed, on.token.row.status) == (True, "active")
    assert await house.events() == ["SCIM Token Disabled", "SCIM Token Enabled"]


async def test_switching_to_what_it_is_changes_and_records_nothing(house: House) -> None:
    token = (await house.generate()).token.id
    await house.write(tokens.deactivate, token)
    await house.audit()
    assert not (await house.write(tokens.deactivate, token)).changed
    await house.write(tokens.activate, token)
    assert not (await house.write(tokens.activate, token)).changed
    assert await house.events() == ["SCIM Token Enabled"]


async def test_an_expired_token_cannot_be_switched_on(house: House) -> None:
    token = (await house.generate(life=DAY)).token.id
    house.now += DAY
    with pytest.raises(NotPossible, match="renew it"):
        await house.write(tokens.activate, token)


async def test_renewing_an_active_token_keeps_its_id_and_both_secrets_for_a_day(
    house: House,
) -> None:
    issued = await house.generate(life=90 * DAY)
    house.now += 10 * DAY
    await house.audit()
    renewed = await house.write(tokens.renew, issued.token.id)
    assert renewed.token.id == renewed.secret.id == issued.token.id
    assert renewed.secret.text != issued.secret.text
    row = await house.read(rows.load, issued.token.id)
    assert row is not None
    assert row == renewed.token.row
    assert (row.secret_hash, row.previous_hash) == (renewed.secret.hash, issued.secret.hash)
    assert row.previous_until == house.now + DAY
    assert row.expires == house.now + 90 * DAY
    (event,) = await house.audit()
    assert event.event == "SCIM Token Renewed"
    assert "Old secret: valid until 2027-01-26" in audit.as_text(audit.details_of(event))


async def test_a_renewal_gives_the_same_life_again_and_again(house: House) -> None:
    token = (await house.generate(life=30 * DAY)).token.id
    for _ in range(3):
        house.now += 7 * DAY
        renewed = await house.write(tokens.renew, token)
        assert renewed.token.row.expires == house.now + 30 * DAY
    never = (await house.generate(life=None)).token.id
    assert (await house.write(tokens.renew, never)).token.row.expires is None


@pytest.mark.parametrize("overlap", [0, HOUR, 7 * DAY], ids=["at once", "1 h", "7 days"])
async def test_the_old_secret_lives_as_long_as_is_said(house: House, overlap: int) -> None:
    token = (await house.generate()).token.id
    renewed = await house.write(tokens.renew, token, old_valid_for=overlap)
    assert renewed.token.row.previous_until == house.now + overlap


async def test_an_expired_token_is_active_after_its_renewal(house: House) -> None:
    token = (await house.generate(life=DAY)).token.id
    house.now += 3 * DAY
    renewed = await house.write(tokens.renew, token)
    assert status_of(renewed.token.row, house.now) == "active"
    assert renewed.token.row.previous_until == house.now


async def test_an_inactive_token_stays_inactive_after_its_renewal(house: House) -> None:
    token = (await house.generate()).token.id
    await house.write(tokens.deactivate, token)
    renewed = await house.write(tokens.renew, token)
    assert renewed.token.row.status == "inactive"
    assert renewed.token.row.previous_until == house.now


async def test_an_old_secret_cannot_live_for_ever(house: House) -> None:
    token = (await house.generate()).token.id
    with pytest.raises(NotPossible, match="90 days"):
        await house.write(tokens.renew, token, old_valid_for=91 * DAY)


@pytest.mark.parametrize(
    "act",
    [tokens.activate, tokens.deactivate, tokens.renew, tokens.delete],
    ids=lambda a: a.__name__,
)
async def test_a_deleted_token_stays_deleted(
    house: House, act: Callable[..., Awaitable[object]]
) -> None:
    token = (await house.generate()).token.id
    await house.write(tokens.delete, token)
    await house.audit()
    with pytest.raises(NotPossible, match="is deleted"):
        await house.write(act, token)
    assert await house.events() == []


async def test_an_unknown_token_is_not_known(house: House) -> None:
    with pytest.raises(NotKnown):
        await house.write(tokens.activate, "nosuchtoken0")


async def test_another_tenants_token_is_not_known(house: House) -> None:
    token = (await house.generate()).token.id
    with pytest.raises(NotKnown):
        await House(house.database, house.tenant + 1).write(tokens.delete, token)
    assert (await house.read(connections.list_connections))[0].name == "entra"
