"""Settings: what they are without anybody's word, and what cannot be."""

from pathlib import Path

import pytest

from meibo import config
from meibo.config import ConfigurationError, Settings


def test_what_is_not_said_has_a_default() -> None:
    assert Settings("sqlite:///x") == Settings(
        database="sqlite:///x",
        host="127.0.0.1",
        port=8080,
        public_url="http://127.0.0.1:8080",
        workers=1,
        rate_limit=100,
        migrate=None,
        trusted_proxies=(),
    )


def test_sqlite_is_served_by_one_process() -> None:
    with pytest.raises(ConfigurationError, match="--workers 2: SQLite"):
        Settings("sqlite:///x", workers=2)
    assert Settings("postgresql:///x", workers=2).workers == 2


@pytest.mark.parametrize(
    "url",
    [
        "https://scim.example.com",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "https://example.com/directory",
    ],
)
def test_a_public_url(url: str) -> None:
    assert Settings("sqlite:///x", public_url=url).public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "scim.example.com",
        "ftp://example.com",
        "https://",
        "https://example.com/",
        "https://example.com?x",
        "https://example.com#x",
        "https://example.com:port",
        "https://example.com:99999",
        "https://[::1",
        "https://exa mple.com",
        "https://example.com\n",
        "javascript:alert(1)",
    ],
)
def test_no_public_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--public-url"):
        Settings("sqlite:///x", public_url=url)


@pytest.mark.parametrize("proxy", ["10.0.0.1", "10.0.0.0/8", "2001:db8::1", "2001:db8::/32"])
def test_a_trusted_proxy(proxy: str) -> None:
    assert Settings("sqlite:///x", trusted_proxies=(proxy,)).trusted_proxies == (proxy,)


@pytest.mark.parametrize("proxy", ["*", "", "proxy.example.com", "10.0.0.1/8", "10.0.0.1:80"])
def test_no_trusted_proxy(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="--trusted-proxy"):
        Settings("sqlite:///x", trusted_proxies=("10.0.0.1", proxy))


@pytest.mark.parametrize(
    "host, url",
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("server.example", "http://server.example:80"),
    ],
)
def test_how_this_machine_reaches_the_service(host: str, url: str) -> None:
    assert config.local_url(host, 80) == url


def test_files_are_where_the_desktop_says() -> None:
    environment = {"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"}
    assert config.default_file(environment) == Path("/c/meibo/meibo.toml")
    assert config.default_database(environment) == "sqlite:////d/meibo/meibo.sqlite3"


@pytest.mark.parametrize("environment", [{}, {"XDG_DATA_HOME": ""}, {"XDG_DATA_HOME": "relative"}])
def test_files_are_in_the_home_directory_otherwise(environment: dict[str, str]) -> None:
    assert config.data_directory(environment) == Path.home() / ".local/share/meibo"


def test_a_file_gives_text_whatever_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "meibo.toml"
    path.write_text('name = "名簿"\nnumber = 8_080\nyes = true\nno = false\n', encoding="utf-8")
    assert config.read_file(path, {"name", "number", "yes", "no"}) == {
        "name": "名簿",
        "number": "8080",
        "yes": "true",
        "no": "false",
    }


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "meibo.toml"
    path.write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        config.read_file(path, {"name"})


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        config.read_file(tmp_path, set())
