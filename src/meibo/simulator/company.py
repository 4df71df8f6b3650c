"""The identity provider's own directory: who works in a pretended company, cycle after cycle.

``story`` writes the whole history in advance, so that it depends on the plan alone and never on
what the server under test answers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, TypeAlias, TypeVar

from meibo.simulator import people
from meibo.simulator.people import Firm, Office, Person
from meibo.simulator.plan import Plan, Vendor

Kind: TypeAlias = Literal["everyone", "department", "office", "project"]

# What a cycle brings, as a share of the people (or of a project's members).
_JOIN, _MOVE, _LEAVE, _NEW_NAME = 0.03, 0.05, 0.03, 0.01
_RETURN, _PURGE = 1 / 3, 1 / 2
_PROJECT_CHANGE = 0.06
# Sizes of the first project groups: a handful of people, a share of the company, nobody. Any
# further one has a few dozen at most.
_PROJECT_SIZES: tuple[float, ...] = (0.08, 0.6, 5, 0.3, 12, 0, 0.02, 1, 30, 0.15)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Group:
    """One group at one moment; ``members`` are the numbers of people."""

    number: int
    external_id: str
    name: str
    kind: Kind
    members: frozenset[int]


@dataclass(frozen=True, slots=True)
class Company:
    """Everybody and every group as they are after one cycle, by number."""

    firm: Firm
    people: dict[int, Person]
    groups: dict[int, Group]


def story(plan: Plan) -> tuple[Company, ...]:
    """The company after each cycle of ``plan``, the first one as it is founded.

    A person who is missing from a company but was in an earlier one has been deleted for good. A
    number never comes back, nor does a user name that somebody had.
    """
    chronicle = _Chronicle(plan)
    companies = [chronicle.company()]
    for cycle in range(2, plan.cycles + 1):
        chronicle.live_through(cycle)
        companies.append(chronicle.company())
    return tuple(companies)


class _Chronicle:
    """Writes the history; everything in it is drawn from the seed, in a fixed order."""

    def __init__(self, plan: Plan) -> None:
        self._vendor: Vendor = plan.vendor
        self._seed = plan.seed
        self._firm = people.firm(plan.vendor, plan.seed)
        # A department of a small company has at least four people, its head among them.
        self._heads = max(1, min(len(self._firm.departments), plan.users // 4))
        self._names: set[str] = set()
        self._leavers: list[int] = []
        self._people: dict[int, Person] = {}
        self._groups: dict[int, Group] = {}
        self._hired = self._founded = self._projects = 0
        for _ in range(plan.users):
            self._hire()
        self._found_groups(plan.groups)

    def company(self) -> Company:
        """What there is now, with the members of all groups brought up to date."""
        buckets: dict[tuple[Kind, str], set[int]] = {}
        for number, person in self._people.items():
            buckets.setdefault(("everyone", self._firm.everyone), set()).add(number)
            buckets.setdefault(("department", person.department.name), set()).add(number)
            buckets.setdefault(("office", person.office.name), set()).add(number)
        for number, group in self._groups.items():
            if group.kind == "project":
                members = group.members & self._people.keys()
            else:
                members = frozenset(buckets.get((group.kind, group.name), ()))
            self._groups[number] = replace(group, members=frozenset(members))
        return Company(self._firm, dict(self._people), dict(self._groups))

    def live_through(self, cycle: int) -> None:
        """Let one cycle pass: people leave, return, move, take other names, join; groups change."""
        random = Random(f"{self._vendor}:{self._seed}:cycle:{cycle}")
        self._purge(random)
        returned = self._return(random)
        self._leave(random, returned)
        self._move(random)
        self._take_other_names(random)
        size = len(self._people)
        for _ in range(max(1, round(size * _JOIN))):
            self._hire()
        self._change_projects(random)

    def _purge(self, random: Random) -> None:
        # Entra ID deletes an account for good 30 days after its end; Okta never sends a DELETE.
        if self._vendor == "entra":
            for number in _some(self._leavers, _PURGE, random):
                del self._people[number]
                self._leavers.remove(number)

    def _return(self, random: Random) -> set[int]:
        returned = _some(self._leavers, _RETURN, random)
        for number in returned:
            self._people[number] = replace(self._people[number], active=True)
            self._leavers.remove(number)
        return set(returned)

    def _leave(self, random: Random, returned: set[int]) -> None:
        staff = self._staff(lambda person: person.number not in returned)
        for number in _some(staff, _LEAVE, random):
            self._people[number] = replace(self._people[number], active=False)
            self._leavers.append(number)

    def _move(self, random: Random) -> None:
        for number in _some(self._staff(), _MOVE, random):
            person = self._people[number]
            manager = random.randrange(self._heads)
            department = self._firm.departments[manager]
            moved = replace(
                person,
                manager=manager,
                department=department,
                cost_center_code=department.code,
                title=random.choice(self._firm.titles),
            )
            if random.random() < 0.5:
                office = self._other_office(person, random)
                number_there = people.telephone(office, random)
                moved = replace(moved, office=office, telephone=number_there)
            self._people[number] = moved

    def _take_other_names(self, random: Random) -> None:
        for number in _some(self._staff(), _NEW_NAME, random):
            person = self._people[number]
            family = people.other_family_name(person, random)
            display = people.display_name(person.given_name, family, japanese=person.japanese)
            renamed = replace(person, family_name=family, display_name=display)
            # Most take the new name to their log-in too, some stay with the one they are known by.
            if number % 4 != 0:
                local = people.free_name(person.given_name, family, self._names)
                address = f"{local}@{self._firm.domain}"
                renamed = replace(renamed, user_name=address, email=address)
            self._people[number] = renamed

    def _change_projects(self, random: Random) -> None:
        active = self._active()
        projects = [number for number, group in self._groups.items() if group.kind == "project"]
        for number in projects:
            members = self._groups[number].members & self._people.keys()
            if members:
                leaving = _some(sorted(members), _PROJECT_CHANGE, random)
                # Asking a few too many is faster than listing everybody who is outside.
                asked = random.sample(active, min(len(active), 3 * len(leaving) + 5))
                joining = [person for person in asked if person not in members][: len(leaving)]
                members = members.difference(leaving).union(joining)
            self._groups[number] = replace(self._groups[number], members=members)
        if len(projects) > 1:
            ended, renamed = random.sample(projects, 2)
            del self._groups[ended]
            name = f"{self._groups[renamed].name} ({random.randrange(2, 9)})"
            self._groups[renamed] = replace(self._groups[renamed], name=name)
        if projects:
            self._found_project(active)

    def _hire(self) -> None:
        number, self._hired = self._hired, self._hired + 1
        random = Random(f"{self._vendor}:{self._seed}:person:{number}")
        self._people[number] = people.hire(
            self._firm, self._vendor, number, random, self._names, heads=self._heads
        )

    def _found_groups(self, count: int) -> None:
        # In turn, so that a company with few groups has some of each kind too.
        departments = [department.name for department in self._firm.departments[: self._heads]]
        offices = [office.name for office in self._firm.offices]
        active = self._active()
        if count:
            self._found(self._firm.everyone, "everyone")
        while self._founded < count:
            if departments:
                self._found(departments.pop(0), "department")
            if self._founded < count:
                self._found_project(active)
            if self._founded < count and offices:
                self._found(offices.pop(0), "office")

    def _found_project(self, active: list[int]) -> None:
        number, self._projects = self._projects, self._projects + 1
        names = self._firm.projects
        name = (
            names[number]
            if number < len(names)
            else self._firm.project_pattern.format(number - len(names) + 1)
        )
        random = Random(f"{self._vendor}:{self._seed}:project:{number}")
        first = number < len(_PROJECT_SIZES)
        size = _PROJECT_SIZES[number] if first else random.randint(2, 40)
        wanted = round(size * len(active)) if size < 1 else int(size)
        self._found(name, "project", random.sample(active, min(wanted, len(active))))

    def _found(self, name: str, kind: Kind, members: Iterable[int] = ()) -> None:
        number, self._founded = self._founded, self._founded + 1
        random = Random(f"{self._vendor}:{self._seed}:group:{number}")
        external_id = people.group_external_id(random)
        self._groups[number] = Group(number, external_id, name, kind, frozenset(members))

    def _active(self) -> list[int]:
        return [number for number, person in self._people.items() if person.active]

    def _staff(self, also: Callable[[Person], bool] = lambda _: True) -> list[int]:
        """Active people who lead no department: heads stay, since others refer to them."""
        return [
            number
            for number, person in self._people.items()
            if person.active and person.manager is not None and also(person)
        ]

    def _other_office(self, person: Person, random: Random) -> Office:
        offices = [office for office in self._firm.offices if office != person.office]
        return random.choice(offices)


def _some(of: Sequence[_T], share: float, random: Random) -> list[_T]:
    """About that share of ``of``, at least one when there is one at all."""
    return random.sample(of, min(len(of), max(1, round(len(of) * share)))) if of else []
