"""Believable people: names, offices, departments and what an identity provider knows of each."""

import unicodedata
import uuid
from dataclasses import dataclass, replace
from random import Random

from meibo.simulator.names import (
    JAPANESE_FAMILY,
    JAPANESE_GIVEN,
    WESTERN_FAMILY,
    WESTERN_GIVEN,
)
from meibo.simulator.plan import Vendor


@dataclass(frozen=True, slots=True)
class Office:
    """A place of work. ``telephone`` has one field for the last digits of an extension."""

    name: str
    locality: str
    country: str
    language: str
    telephone: str
    weight: int


@dataclass(frozen=True, slots=True)
class Department:
    """A part of a company. ``weight`` is its share of the people, ``code`` its cost centre."""

    name: str
    code: str
    weight: int


@dataclass(frozen=True, slots=True)
class Firm:
    """What is fixed about a pretended company, before anybody works there."""

    name: str
    domain: str
    offices: tuple[Office, ...]
    departments: tuple[Department, ...]
    titles: tuple[str, ...]
    head_title: str
    everyone: str
    projects: tuple[str, ...]
    project_pattern: str
    japanese_share: float


@dataclass(frozen=True, slots=True)
class Person:
    """One account in the identity provider's directory, as it is at one moment.

    ``number`` counts people in the order in which they joined and never changes. ``manager`` is
    the number of another person. ``external_id`` is the provider's own permanent id.
    """

    number: int
    external_id: str
    user_name: str
    given_name: str
    family_name: str
    display_name: str
    japanese: bool
    email: str
    title: str
    department: Department
    office: Office
    telephone: str
    employee_number: str
    cost_center_code: str
    manager: int | None
    active: bool = True


# Telephone numbers that nobody has: Ofcom's, the Bundesnetzagentur's and the 555-01xx numbers
# for use in drama. Japan sets none aside, but no subscriber number there begins with 0.
_TOKYO = Office("東京本社", "東京都千代田区", "JP", "ja-JP", "+81 3-0000-{:04d}", 50)
_OSAKA = Office("大阪支社", "大阪市北区", "JP", "ja-JP", "+81 6-0000-{:04d}", 20)
_FUKUOKA = Office("福岡営業所", "福岡市博多区", "JP", "ja-JP", "+81 92-000-{:04d}", 8)
_LONDON = Office("London office", "London", "GB", "en-GB", "+44 20 7946 0{:03d}", 8)
_BERLIN = Office("Berlin office", "Berlin", "DE", "de-DE", "+49 30 23125 {:03d}", 6)
_SEATTLE = Office("Seattle office", "Seattle", "US", "en-US", "+1 206-555-01{:02d}", 8)
_TOKYO_BRANCH = Office("Tokyo office", "東京都港区", "JP", "ja-JP", "+81 3-0001-{:04d}", 12)
_TORONTO = Office("Toronto office", "Toronto", "CA", "en-CA", "+1 416-555-01{:02d}", 10)

_FIRMS: dict[Vendor, Firm] = {
    "entra": Firm(
        name="楓商事 (Kaede Trading)",
        domain="kaede{}.example",
        offices=(_TOKYO, _OSAKA, _FUKUOKA, _LONDON, _BERLIN, _SEATTLE),
        departments=(
            Department("営業部", "0110", 26),
            Department("開発部", "0210", 24),
            Department("カスタマーサポート部", "0320", 14),
            Department("物流部", "0410", 10),
            Department("マーケティング部", "0120", 7),
            Department("品質保証部", "0220", 6),
            Department("情報システム部", "0510", 5),
            Department("経理部", "0610", 4),
            Department("人事部", "0620", 3),
            Department("総務部", "0630", 2),
            Department("法務室", "0640", 1),
        ),
        titles=("担当", "担当", "担当", "主任", "主任", "係長", "課長", "シニアエキスパート"),
        head_title="部長",
        everyone="全社員",
        projects=(
            "プロジェクト青空",
            "VPN 利用者",
            "管理職",
            "社用スマートフォン利用者",
            "プロジェクト富士",
            "新入社員研修",
            "衛生委員会",
            "R&D <試作> チーム",
            "ISO 27001 内部監査員",
            "防災リーダー",
        ),
        project_pattern="プロジェクト {}",
        japanese_share=0.8,
    ),
    "okta": Firm(
        name="Birch & Lane",
        domain="birchlane{}.example",
        offices=(_LONDON, _SEATTLE, _TORONTO, _BERLIN, _TOKYO_BRANCH),
        departments=(
            Department("Sales", "1100", 25),
            Department("Engineering", "2100", 25),
            Department("Customer Success", "3200", 14),
            Department("Operations", "4100", 9),
            Department("Marketing", "1200", 8),
            Department("Product", "2200", 7),
            Department("IT", "5100", 4),
            Department("Finance", "6100", 4),
            Department("People & Culture", "6200", 3),
            Department("Legal", "6400", 1),
        ),
        titles=(
            "Associate",
            "Associate",
            "Specialist",
            "Specialist",
            "Senior Specialist",
            "Team Lead",
            "Principal",
        ),
        head_title="Director",
        everyone="All employees",
        projects=(
            "Project Bluebird",
            "VPN users",
            "People managers",
            "Company phones",
            "Project Marzipan",
            "New starters",
            'The "Friday" Committee',
            "First aiders",
            "Data Protection & Privacy",
            "Contractors' hosts",
        ),
        project_pattern="Project {}",
        japanese_share=0.2,
    ),
}

_SPELLED_OUT = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ä": "ae", "ö": "oe", "ü": "ue", " ": ""}
)


def firm(vendor: Vendor, seed: int) -> Firm:
    """The company of that vendor and seed; two seeds never share a domain."""
    model = _FIRMS[vendor]
    return replace(model, domain=model.domain.format("" if seed == 1 else seed))


def hire(
    at: Firm, vendor: Vendor, number: int, random: Random, names: set[str], *, heads: int
) -> Person:
    """The person with that number; the first ``heads`` people lead a department each.

    ``names`` holds the local parts of every user name that was ever given, and gets the new one.
    """
    japanese = random.random() < at.japanese_share
    if japanese:
        given = random.choice(tuple(JAPANESE_GIVEN))
        family = random.choice(tuple(JAPANESE_FAMILY))
    else:
        given, family = random.choice(WESTERN_GIVEN), random.choice(WESTERN_FAMILY)
    offices = [office for office in at.offices if (office.language == "ja-JP") == japanese]
    office = random.choices(offices, [office.weight for office in offices])[0]
    if number < heads:
        department, manager = at.departments[number], None
    else:
        weights = [department.weight for department in at.departments[:heads]]
        manager = random.choices(range(heads), weights)[0]
        department = at.departments[manager]
    local = free_name(given, family, names)
    if random.random() < 0.05:  # what was typed with capitals has to come back with capitals
        local = local.title()
    return Person(
        number=number,
        external_id=_external_id(vendor, random),
        user_name=f"{local}@{at.domain}",
        given_name=given,
        family_name=family,
        display_name=display_name(given, family, japanese=japanese),
        japanese=japanese,
        email=f"{local.lower()}@{at.domain}",
        title=at.head_title if manager is None else random.choice(at.titles),
        department=department,
        office=office,
        telephone=telephone(office, random),
        employee_number=f"{10_000 + number}",
        cost_center_code=department.code,
        manager=manager,
    )


def display_name(given: str, family: str, *, japanese: bool) -> str:
    """The name as it is written where the person lives: family name first in Japan."""
    return f"{family} {given}" if japanese else f"{given} {family}"


def other_family_name(person: Person, random: Random) -> str:
    """A family name that ``person`` does not have, of the same origin."""
    choice = tuple(JAPANESE_FAMILY) if person.japanese else WESTERN_FAMILY
    return random.choice([name for name in choice if name != person.family_name])


def free_name(given: str, family: str, names: set[str]) -> str:
    """``given.family`` in ASCII, numbered when somebody has or had it; recorded in ``names``."""
    stem = f"{_ascii(given)}.{_ascii(family)}"
    name, count = stem, 1
    while name in names:
        count += 1
        name = f"{stem}{count}"
    names.add(name)
    return name


def telephone(office: Office, random: Random) -> str:
    """A number at that office that belongs to nobody in the world."""
    digits = 4 if "{:04d}" in office.telephone else 3 if "{:03d}" in office.telephone else 2
    return office.telephone.format(random.randrange(10**digits))


def group_external_id(random: Random) -> str:
    """An id as Entra ID gives it to a group."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _external_id(vendor: Vendor, random: Random) -> str:
    if vendor == "entra":
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "00u" + "".join(random.choices(letters, k=17))


def _ascii(name: str) -> str:
    romaji = JAPANESE_GIVEN.get(name) or JAPANESE_FAMILY.get(name)
    if romaji:
        return romaji
    plain = unicodedata.normalize("NFKD", name.lower().translate(_SPELLED_OUT))
    return "".join(letter for letter in plain if letter.isascii())
