import unicodedata
from itertools import pairwise

import pytest

from meibo.simulator.company import Company, story
from meibo.simulator.plan import Plan, Vendor

URL = "http://127.0.0.1:8080/scim/v2"
VENDORS: tuple[Vendor, ...] = ("entra", "okta")


def company_plan(
    vendor: Vendor, users: int = 300, groups: int = 25, cycles: int = 6, seed: int = 1
) -> Plan:
    return Plan(vendor, URL, "t", users=users, groups=groups, cycles=cycles, seed=seed)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_seed_always_tells_the_same_story(vendor: Vendor):
    assert story(company_plan(vendor)) == story(company_plan(vendor))
    assert story(company_plan(vendor)) != story(company_plan(vendor, seed=2))


@pytest.mark.parametrize("vendor", VENDORS)
def test_another_seed_has_another_domain(vendor: Vendor):
    domains = {story(company_plan(vendor, cycles=1, seed=seed))[0].firm.domain for seed in (1, 2)}
    assert len(domains) == 2
    assert all(domain.endswith(".example") for domain in domains)


@pytest.mark.parametrize("vendor", VENDORS)
def test_user_names_are_unique_over_all_time_and_plain(vendor: Vendor):
    holders: dict[str, int] = {}
    for company in story(company_plan(vendor, users=2_000)):
        for number, person in company.people.items():
            assert holders.setdefault(person.user_name.casefold(), number) == number
            assert len(person.user_name) <= 256
            assert person.user_name.isascii()
            assert person.user_name.isprintable()
            assert person.user_name.endswith(f"@{company.firm.domain}")


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_text_holds_an_invisible_or_directing_character(vendor: Vendor):
    for company in story(company_plan(vendor, users=2_000, cycles=2)):
        texts = [group.name for group in company.groups.values()]
        for person in company.people.values():
            texts += [person.display_name, person.given_name, person.family_name, person.title]
        categories = {unicodedata.category(letter) for text in texts for letter in text}
        assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_external_ids_are_unique(vendor: Vendor):
    company = story(company_plan(vendor, users=2_000, cycles=1))[0]
    ids = {person.external_id for person in company.people.values()}
    ids |= {group.external_id for group in company.groups.values()}
    assert len(ids) == len(company.people) + len(company.groups)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_company_has_the_size_that_was_asked_for(vendor: Vendor):
    for users, groups in ((1, 0), (1, 1), (3, 3), (7, 40), (500, 25)):
        company = story(company_plan(vendor, users, groups, cycles=1))[0]
        assert (len(company.people), len(company.groups)) == (users, groups)
        assert len({group.name for group in company.groups.values()}) == groups


@pytest.mark.parametrize("vendor", VENDORS)
def test_groups_have_several_sizes_from_nobody_to_everybody(vendor: Vendor):
    company = story(company_plan(vendor, users=3_000))[0]
    sizes = [len(group.members) for group in company.groups.values()]
    assert max(sizes) == 3_000
    assert min(sizes) == 0
    assert len(set(sizes)) > 15


def changes(before: Company, after: Company) -> set[str]:
    """The kinds of changes between two cycles."""
    kinds: set[str] = set()
    for number, now in after.people.items():
        was = before.people.get(number)
        if was is None:
            kinds.add("joiner")
            continue
        if was.active != now.active:
            kinds.add("return" if now.active else "leaver")
        if was.department != now.department:
            kinds.add("mover")
        if was.user_name != now.user_name:
            kinds.add("rename")
        elif was.family_name != now.family_name:
            kinds.add("new surname, old log-in")
    if before.people.keys() - after.people.keys():
        kinds.add("deletion")
    for number, group in after.groups.items():
        old = before.groups.get(number)
        if old is None:
            kinds.add("new group")
        elif old.name != group.name:
            kinds.add("group rename")
        elif old.members != group.members:
            kinds.add("membership change")
    if before.groups.keys() - after.groups.keys():
        kinds.add("group deletion")
    return kinds


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_kind_of_change_comes_within_three_cycles(vendor: Vendor):
    first, second, third = story(company_plan(vendor, users=500, cycles=3))
    expected = {
        "joiner",
        "leaver",
        "return",
        "mover",
        "rename",
        "new surname, old log-in",
        "new group",
        "group rename",
        "membership change",
        "group deletion",
    }
    if vendor == "entra":  # Okta never deletes a user
        expected.add("deletion")
    assert changes(first, second) | changes(second, third) == expected


@pytest.mark.parametrize("vendor", VENDORS)
def test_who_is_deleted_was_a_leaver_and_never_comes_back(vendor: Vendor):
    history = story(company_plan(vendor, cycles=8))
    gone: set[int] = set()
    for before, after in pairwise(history):
        deleted = before.people.keys() - after.people.keys()
        assert all(not before.people[number].active for number in deleted)
        gone |= deleted
        assert not gone & after.people.keys()
        for group in after.groups.values():
            assert group.members <= after.people.keys()
    assert bool(gone) == (vendor == "entra")


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_manager_is_an_active_head_of_the_department(vendor: Vendor):
    for company in story(company_plan(vendor)):
        for person in company.people.values():
            if person.manager is not None:
                head = company.people[person.manager]
                assert head.active
                assert head.department == person.department


@pytest.mark.parametrize("users", [1, 2, 5])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_tiny_company_lives_on_too(vendor: Vendor, users: int):
    history = story(company_plan(vendor, users=users, groups=3, cycles=12))
    assert len(history) == 12
    assert all(company.people[0].active for company in history)
