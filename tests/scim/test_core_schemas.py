"""The catalogue of attributes, and the rule for user names (RFC 7643 §4, §8.7)."""

import json
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meibo.scim import urns
from meibo.scim.comparison import fold
from meibo.scim.core_schemas import (
    CustomAttribute,
    group_type,
    user_name_rule,
    user_type,
)
from meibo.scim.schema import Attribute, ResourceType


def all_attributes(resource_type: ResourceType) -> Iterator[Attribute]:
    schemas = [resource_type.schema, *(each.schema for each in resource_type.extensions)]
    for attribute in (*resource_type.common, *(a for s in schemas for a in s.attributes)):
        yield attribute
        yield from attribute.sub_attributes


def test_equal_arguments_give_one_instance() -> None:
    custom = (CustomAttribute("badge"), CustomAttribute("floor", "decimal"))
    assert user_type() is user_type((), preset="standard")
    assert user_type(custom) is user_type(list(custom))
    assert user_type(custom) is not user_type(custom[:1])
    assert user_type() is not user_type(preset="neurons")
    assert group_type() is group_type("neurons")


def test_the_user_has_all_attributes_of_the_rfc() -> None:
    names = [each.name for each in user_type().schema.attributes]
    assert names == [
        "userName",
        "name",
        "displayName",
        "nickName",
        "profileUrl",
        "title",
        "userType",
        "preferredLanguage",
        "locale",
        "timezone",
        "active",
        "password",
        "emails",
        "phoneNumbers",
        "ims",
        "photos",
        "addresses",
        "groups",
        "entitlements",
        "roles",
        "x509Certificates",
    ]


def test_the_custom_extension_is_there_only_with_attributes() -> None:
    assert user_type().extension(urns.CUSTOM_USER) is None
    custom = user_type((CustomAttribute("hired", "dateTime"),)).extension(urns.CUSTOM_USER)
    assert custom is not None
    hired = custom.attribute("HIRED")
    assert hired is not None
    assert (hired.name, hired.type, hired.multi_valued) == ("hired", "dateTime", False)


def test_the_neurons_preset_has_only_what_the_product_documents() -> None:
    neurons = user_type((CustomAttribute("badge"),), "neurons")
    assert {each.name for each in neurons.schema.attributes} == {
        "userName",
        "name",
        "displayName",
        "active",
        "password",
        "emails",
        "groups",
    }
    name = neurons.attribute("name")
    assert name is not None
    assert {each.name for each in name.sub_attributes} == {"formatted", "familyName", "givenName"}
    enterprise = neurons.extension(urns.ENTERPRISE_USER)
    assert enterprise is not None
    assert [each.name for each in enterprise.attributes] == ["department"]
    assert neurons.extension(urns.CUSTOM_USER) is not None


@pytest.mark.parametrize("resource_type", [user_type(), group_type()], ids=["user", "group"])
def test_references_binaries_and_ids_compare_with_case(resource_type: ResourceType) -> None:
    for attribute in all_attributes(resource_type):
        if attribute.type in ("reference", "binary") or attribute.name in ("id", "externalId"):
            assert attribute.case_exact, attribute


@pytest.mark.parametrize("resource_type", [user_type(), group_type()], ids=["user", "group"])
def test_every_attribute_is_described(resource_type: ResourceType) -> None:
    for attribute in all_attributes(resource_type):
        assert attribute.description, attribute
        assert bool(attribute.sub_attributes) == (attribute.type == "complex"), attribute
        assert (attribute.type == "reference") == bool(attribute.reference_types), attribute


def test_only_one_level_of_complex_attributes() -> None:
    for resource_type in (user_type(), group_type()):
        for attribute in resource_type.core_attributes():
            assert all(not sub.sub_attributes for sub in attribute.sub_attributes)


@pytest.mark.parametrize(
    "name",
    [
        "anne@example.com",
        "a",
        "a b",
        "山田.太郎@example.jp",
        "Straße",
        "ıbrahim",
        "élodie",
        "e\u0301lodie",
        "👩@example.com",
        "'; DROP TABLE users;--",
        "../../etc/passwd",
        "{{7*7}}",
        '"',
        "\\",
        "%",
    ],
)
def test_a_user_name_may_be(name: str) -> None:
    assert user_name_rule(name) is None


@pytest.mark.parametrize(
    "name",
    [
        " a",
        "a ",
        "a\n",
        "    ",
        "a\u3000",
        "\u00a0é",
        "a\u0007b",
        "a\x7f",
        "é\u0090",
        "a\r\nb",
        "é\u200b",
        "a\u200db",
        "a\u00adb",
        "a\ufeffb",
        "a\u3164b",
        "a\u115fb",
        "a\uffa0b",
        "a\u034fb",
        "a\u180eb",
        "a\ufe0fb",
        "a\U000e0061b",
        "a\U000e0100b",
        "a\u202eb",
        "a\u2028b",
        "a\uffffb",
        "a\ue000b",
        "a\U00010fff\U000e0fffb",
        "a\ud800b",
    ],
    ids=ascii,
)
def test_a_user_name_may_not_be(name: str) -> None:
    assert user_name_rule(name)


def test_the_key_of_a_user_name_stays_short_enough_for_an_index() -> None:
    assert user_name_rule("\ufdfa" * 256)  # grows 18-fold under NFKC
    assert user_name_rule("ß" * 256) is None


@given(st.text(min_size=1, max_size=256))
def test_an_accepted_user_name_shows_everything_it_holds(name: str) -> None:
    if user_name_rule(name) is None:
        assert name == name.strip()
        refused = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert not {unicodedata.category(each) for each in name} & refused
        assert len(fold(name).encode()) <= 2_048


CORPUS = Path(os.environ.get("MEIBO_CORPORA", "../shared")) / "attacks" / "usernames.json"


@pytest.mark.skipif(not CORPUS.exists(), reason="the attack corpus is not here")
def test_the_corpus_of_hostile_user_names_is_refused() -> None:
    checked = 0
    for case in json.loads(CORPUS.read_text())["cases"]:
        step = case["steps"][-1]
        name = step.get("json", {}).get("userName")
        if len(case["steps"]) == 1 and name and step["expect"]["status"] == [400]:
            assert user_name_rule(name.replace("{u}", "u")), case["id"]
            checked += 1
    assert checked > 5
