"""Random requests for the comparison with the model: people, steps of a PATCH, filters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from meibo.scim.schema import JsonObject
from tests.reliability.model import NAMES, Change, Refusal, Resource


@dataclass(frozen=True, slots=True)
class Step:
    """An operation of a PATCH, and what it does to a resource; on some connections it differs."""

    operation: JsonObject
    change: Change
    tolerant_change: Change | None = None

    def carry_out(self, resource: Resource, *, strict: bool) -> None:
        change = self.change if strict else self.tolerant_change or self.change
        change(resource)


def assigned(values: Resource) -> Resource:
    """Those that have a value."""
    return {name: value for name, value in values.items() if value not in (None, [])}


def setting(name: str, path: str, value: Any) -> Step:
    """Replaces an attribute, or removes it when the value is None."""

    def change(resource: Resource) -> None:
        resource.pop(name, None)
        if value is not None:
            resource[name] = value

    if value is None:
        return Step({"op": "remove", "path": path}, change)
    return Step({"op": "Replace", "path": path, "value": value}, change)


def setting_each(values: Resource) -> Step:
    """Replaces attributes without a path."""
    return Step({"op": "add", "value": values}, lambda resource: resource.update(values))


def adding_email(email: JsonObject) -> Step:
    """Adds an e-mail address, unless it is there."""

    def change(resource: Resource) -> None:
        present = resource.get("emails", [])
        if email not in present:
            resource["emails"] = [*present, email]

    return Step({"op": "add", "path": "emails", "value": [email]}, change)


def dropping_emails(kind: str) -> Step:
    """Removes the addresses of a type, if there are any."""

    def change(resource: Resource) -> None:
        left = [each for each in resource.pop("emails", []) if each["type"] != kind]
        if left:
            resource["emails"] = left

    return Step({"op": "remove", "path": f'emails[type eq "{kind.upper()}"]'}, change)


def setting_work_email(value: str) -> Step:
    """Replaces the value of the addresses of a type; where there is none it may be added."""

    def change(resource: Resource) -> None:
        if not any(each["type"] == "work" for each in resource.get("emails", [])):
            raise Refusal(400, "noTarget")
        changed = [
            {**each, "value": value} if each["type"] == "work" else each
            for each in resource["emails"]
        ]
        resource["emails"] = [  # two that have become one
            each for index, each in enumerate(changed) if each not in changed[:index]
        ]

    def tolerant_change(resource: Resource) -> None:
        try:
            change(resource)
        except Refusal:
            resource["emails"] = [*resource.get("emails", []), {"type": "work", "value": value}]

    operation: JsonObject = {
        "op": "replace",
        "path": 'emails[type eq "work"].value',
        "value": value,
    }
    return Step(operation, change, tolerant_change)


def impossible(operation: JsonObject, scim_type: str) -> Step:
    """Is always refused."""

    def change(_: Resource) -> None:
        raise Refusal(400, scim_type)

    return Step(operation, change)


names = st.sampled_from(list(NAMES))
externals = st.sampled_from([None, "e1", "E1", "e2"])
texts = st.sampled_from([None, "x", "X y", "長い"])
addresses = st.sampled_from(["a@a.example", "b@a.example"])
email = st.fixed_dictionaries({"value": addresses, "type": st.sampled_from(["work", "home"])})
people = st.fixed_dictionaries(
    {
        "userName": names,
        "externalId": externals,
        "displayName": texts,
        "title": texts,
        "emails": st.lists(email, max_size=2, unique_by=lambda each: each["type"]),
        "active": st.sampled_from([None, True, False]),
    }
).map(assigned)
user_steps = st.one_of(
    st.builds(setting, st.just("title"), st.sampled_from(["title", "TITLE"]), texts),
    st.builds(setting, st.just("externalId"), st.just("externalId"), externals),
    st.builds(setting, st.just("userName"), st.just("username"), names),
    st.builds(setting, st.just("active"), st.just("active"), st.booleans()),
    st.builds(setting_each, st.fixed_dictionaries({"title": st.just("z"), "nickName": names})),
    st.builds(adding_email, email),
    st.builds(dropping_emails, st.sampled_from(["work", "home"])),
    st.builds(setting_work_email, addresses),
)
bad_steps = st.sampled_from(
    [
        impossible({"op": "remove", "path": "userName"}, "mutability"),
        impossible({"op": "replace", "path": "nothing", "value": 1}, "invalidPath"),
        impossible({"op": "replace", "path": "active", "value": "x"}, "invalidValue"),
        impossible({"op": "remove"}, "noTarget"),
    ]
)
steps = st.lists(user_steps, min_size=1, max_size=3)
conditions = st.sampled_from([None, None, None, "right", "wrong"])
FILTERS: list[tuple[str, Callable[[Resource], bool]]] = [
    ('userName eq "ANN"', lambda user: NAMES[user["userName"]] == "ann"),
    ('userName eq "Straße"', lambda user: NAMES[user["userName"]] == "strasse"),
    (
        'userName sw "b" or userName ew "L"',
        lambda user: NAMES[user["userName"]] in ("bob", "carol"),
    ),
    ('externalId eq "e1"', lambda user: user.get("externalId") == "e1"),
    ("active eq true", lambda user: user["active"]),
    (
        'not (title pr) and externalId ne "e2"',
        lambda user: "title" not in user and user.get("externalId") != "e2",
    ),
    (
        'emails[type eq "work" and value co "B@"]',
        lambda user: {"type": "work", "value": "b@a.example"} in user.get("emails", []),
    ),
    (
        'displayName co "x" and active eq false',
        lambda user: "x" in user.get("displayName", "").lower() and not user["active"],
    ),
]
