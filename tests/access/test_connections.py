"""Tenants, connections and their settings, on both engines."""

import asyncio

import pytest

from meibo import audit
from meibo.access import connection_settings, connections, tenants
from meibo.access.connection_settings import SETTINGS, ConnectionSettings
from meibo.access.errors import NotKnown, NotPossible
from meibo.idp.profile import profile_for
from tests.access.conftest import House


def test_the_audit_trail_calls_a_vendor_what_its_profile_does() -> None:
    for vendor, label in connections.VENDOR_LABELS.items():
        assert profile_for(vendor, strict=False).label == label


async def test_every_database_has_the_default_tenant(house: House) -> None:
    found = await house.database.read(lambda tx: tenants.find(tx, tenants.DEFAULT_TENANT))
    assert found.id == 1


async def test_a_tenant_is_created_with_its_event(house: House) -> None:
    tenant = await house.database.write(
        lambda tx: tenants.create(tx, f"{house.slug}-x", by=house.by, now=house.now)
    )
    assert await house.database.read(lambda tx: tenants.find(tx, f"{house.slug}-x")) == tenant
    (event,) = await House(house.database, tenant.id).audit()
    assert (event.event, event.subject) == ("Tenant Created", f"{house.slug}-x")


async def test_tenants_made_at_once_do_not_become_one(house: House) -> None:
    slugs = [f"{house.slug}-{number}" for number in range(6)]
    made = await asyncio.gather(
        *(
            house.database.write(
                lambda tx, slug=slug: tenants.create(tx, slug, by=house.by, now=house.now)
            )
            for slug in slugs
        )
    )
    assert len({tenant.id for tenant in made}) == 6


@pytest.mark.parametrize(
    "slug", ["", "Acme", "a_b", "-a", "a-", "a" * 64, "a\n", "..", "ａ", "in-use"]
)
async def test_what_cannot_be_a_tenant(house: House, slug: str) -> None:
    with pytest.raises(NotPossible):
        await house.database.write(
            lambda tx: tenants.create(
                tx, slug.replace("in-use", house.slug), by=house.by, now=house.now
            )
        )


async def test_an_unknown_tenant_is_not_known(house: House) -> None:
    with pytest.raises(NotKnown, match="nobody"):
        await house.database.read(lambda tx: tenants.find(tx, "nobody"))


def test_every_setting_has_its_default_in_words() -> None:
    assert ConnectionSettings().as_text() == {
        "user_name_changes": "allow",
        "email_required": "off",
        "inactive_on_create": "accept",
        "unknown_attributes": "ignore",
        "attribute_policy": "standard",
        "rate_limit": "default",
    }


def test_only_what_differs_from_the_defaults_is_stored() -> None:
    settings = connection_settings.changed(ConnectionSettings(), {"rate_limit": "off"})
    assert connection_settings.to_json(settings) == '{"rate_limit":"off"}'
    assert connection_settings.from_json('{"rate_limit":"off","of the future":1}') == settings


@pytest.mark.parametrize("definition", SETTINGS, ids=lambda definition: definition.name)
def test_a_setting_takes_back_what_it_says(
    definition: connection_settings.SettingDefinition,
) -> None:
    text = ConnectionSettings().as_text()[definition.name]
    assert connection_settings.changed(ConnectionSettings(), {definition.name: text}) == (
        ConnectionSettings()
    )


async def test_a_change_of_settings_is_recorded_before_and_after(house: House) -> None:
    await house.generate("okta")
    await house.audit()
    done = await house.write(
        connections.change_settings,
        "okta",
        {"user_name_changes": "refuse", "email_required": "on", "rate_limit": "50"},
    )
    assert done.connection.settings == ConnectionSettings(
        user_name_changes="refuse", email_required=True, rate_limit=50
    )
    assert await house.read(connections.find, "okta") == done.connection
    (event,) = await house.audit()
    assert event.event == "Connection Settings Changed"
    assert audit.as_text(audit.details_of(event)) == (
        "IdP: Okta; Connection: okta; user_name_changes: allow -> refuse;"
        " email_required: off -> on; rate_limit: default -> 50"
    )


async def test_setting_what_is_set_already_changes_and_records_nothing(house: House) -> None:
    await house.generate("okta")
    await house.audit()
    done = await house.write(connections.change_settings, "okta", {"email_required": "off"})
    assert done.changed == {}
    assert await house.events() == []


async def test_the_neurons_policy_requires_an_address_unless_told_otherwise(house: House) -> None:
    await house.generate("other")

    async def change(**values: str) -> dict[str, tuple[str, str]]:
        return dict((await house.write(connections.change_settings, "other", values)).changed)

    assert await change(attribute_policy="neurons") == {
        "attribute_policy": ("standard", "neurons"),
        "email_required": ("off", "on"),
    }
    assert await change(email_required="off") == {"email_required": ("on", "off")}
    assert await change(attribute_policy="neurons") == {}
    assert await change(attribute_policy="standard", email_required="on") == {
        "attribute_policy": ("neurons", "standard"),
        "email_required": ("off", "on"),
    }


@pytest.mark.parametrize(
    "key, value",
    [
        ("colour", "red"),
        ("user_name_changes", "maybe"),
        ("user_name_changes", "Allow"),
        ("email_required", "true"),
        ("email_required", ""),
        ("rate_limit", "24"),
        ("rate_limit", "100001"),
        ("rate_limit", "1_00"),
        ("rate_limit", "１００"),
        ("rate_limit", "9" * 5_000),
        ("rate_limit", "-1"),
    ],
)
async def test_a_setting_that_cannot_be_changes_nothing(house: House, key: str, value: str) -> None:
    await house.generate("okta")
    await house.audit()
    with pytest.raises(NotPossible, match=key):
        await house.write(
            connections.change_settings, "okta", {"inactive_on_create": "refuse", key: value}
        )
    assert (await house.read(connections.find, "okta")).settings == ConnectionSettings()
    assert await house.events() == []


async def test_an_unknown_connection_is_not_known(house: House) -> None:
    with pytest.raises(NotKnown, match="okta"):
        await house.write(connections.change_settings, "okta", {})
