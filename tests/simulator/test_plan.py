import pytest

from meibo.simulator import ALL_FAULTS, Plan, is_loopback

URL = "http://127.0.0.1:8080/scim/v2"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/scim/v2",
        "http://127.8.9.1/",
        "http://localhost/scim/v2",
        "https://LOCALHOST:443",
        "http://meibo.localhost:8080/scim/v2",
        "http://[::1]:8080/scim/v2",
        "http://[::ffff:127.0.0.1]/",
    ],
)
def test_an_address_of_this_machine_is_loopback(url: str):
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://directory.example/scim/v2",
        "http://127.0.0.1@directory.example/",
        "http://localhost.directory.example/",
        "http://127.0.0.1.directory.example/",
        "http://192.168.1.10/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://2130706433/",
        "http://127.1/",
        "http://[::1/",
        "127.0.0.1:8080",
        "",
    ],
)
def test_any_other_address_is_not_loopback(url: str):
    assert not is_loopback(url)


@pytest.mark.parametrize(
    "change, complaint",
    [
        ({"users": 0}, "users must be between 1 and 100,000, not 0"),
        ({"groups": -1}, "groups must be between"),
        ({"cycles": 0}, "cycles must be between"),
        ({"concurrency": 65}, "concurrency must be between"),
        ({"base_url": "127.0.0.1:8080"}, "http or https"),
        ({"base_url": "ftp://127.0.0.1/"}, "http or https"),
        ({"base_url": f"{URL}?flag"}, "before any"),
        ({"base_url": "http://me:pw@127.0.0.1/"}, "user name or a password"),
        ({"base_url": "http://127.0.0.1:eighty/"}, "Port"),
        ({"base_url": "http://127.0.0.1:0/"}, "port cannot be 0"),
        ({"token": "two words"}, "the token must be"),
        ({"token": "line\nbreak"}, "the token must be"),
        ({"faults": frozenset({"earthquake"})}, "unknown fault earthquake"),
    ],
    ids=lambda value: str(value),
)
def test_an_impossible_plan_is_refused_with_its_reason(change: dict[str, object], complaint: str):
    arguments: dict[str, object] = {"vendor": "entra", "base_url": URL, "token": "t", **change}
    with pytest.raises(ValueError, match=complaint):
        Plan(**arguments)  # type: ignore[arg-type]


def test_a_plan_does_not_show_its_token():
    assert "hush" not in repr(Plan("okta", URL, "hush", faults=ALL_FAULTS))
