"""Where settings come from: command line over ``MEIBO_*`` environment over one TOML file.

Every option of a command is a setting: ``--public-url`` is ``MEIBO_PUBLIC_URL`` in the environment
and ``public_url`` in the file. ``cli`` knows the options and reads them, once; what the service
needs of them is one frozen ``Settings``. docs/settings.md lists all.
"""

import ipaddress
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "MEIBO_"

NOT_SETTINGS = frozenset({"MEIBO_CORPORA"})
"""Variables that the project's tests use; whatever begins with ``MEIBO_TEST_`` is theirs too."""

_TESTS_PREFIX = "MEIBO_TEST_"

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_RATE_LIMIT = 100


class ConfigurationError(Exception):
    """A setting is unknown or impossible; the text is one line that names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What serving needs, read once at the start.

    ``public_url`` is how clients reach the service, without a slash at its end; ``rate_limit`` is
    in requests/s for each connection, None for none; ``migrate`` says whether an older database is
    brought up to date, None that SQLite's is and PostgreSQL's is not; ``trusted_proxies`` are
    addresses and networks whose ``X-Forwarded-For`` tells who the client is.

    Raises:
        ConfigurationError: the settings do not go together.
    """

    database: str
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    public_url: str = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
    workers: int = 1
    rate_limit: int | None = DEFAULT_RATE_LIMIT
    migrate: bool | None = None
    trusted_proxies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_public_url(self.public_url)
        for proxy in self.trusted_proxies:
            _check_proxy(proxy)
        if self.workers > 1 and self.database.startswith("sqlite:"):
            raise ConfigurationError(
                f"--workers {self.workers}: SQLite is served by one process; more than one worker"
                " needs --database postgresql://..."
            )


def check_public_url(url: str) -> None:
    """See ``Settings.public_url``; it may have a path.

    Raises:
        ConfigurationError: clients could not reach anything by that.
    """
    if not _is_public_url(url):
        raise ConfigurationError(
            f"--public-url {url!r} is not a URL such as https://scim.example.com, without a slash"
            " at its end"
        )


def _check_proxy(proxy: str) -> None:
    try:
        ipaddress.ip_network(proxy)
    except ValueError as error:
        raise ConfigurationError(
            f"--trusted-proxy {proxy!r} is no address or network such as 10.0.0.1 or 10.0.0.0/8"
        ) from error


def local_url(host: str, port: int) -> str:
    """How a client on this machine reaches a service that listens on ``host``."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104  (everywhere, hence also here)
        host = DEFAULT_HOST
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def default_file(environment: Mapping[str, str]) -> Path:
    """The settings file that is read when it exists and none is named."""
    return _user_directory(environment, "XDG_CONFIG_HOME", ".config") / "meibo.toml"


def data_directory(environment: Mapping[str, str]) -> Path:
    """Where the user's databases are when no place is named."""
    return _user_directory(environment, "XDG_DATA_HOME", ".local/share")


def default_database(environment: Mapping[str, str]) -> str:
    """The database that is used when none is named."""
    return f"sqlite:///{data_directory(environment) / 'meibo.sqlite3'}"


def read_file(path: Path, known: Collection[str]) -> dict[str, str]:
    """The settings in a TOML file, as text, by their names with underscores.

    Args:
        known: the names that there are.

    Raises:
        ConfigurationError: the file cannot be read, or has a setting that is unknown or no setting.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"{path} cannot be read: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    settings: dict[str, str] = {}
    for name, value in content.items():
        if name not in known:
            raise ConfigurationError(f"{path}: there is no setting {name!r}")
        match value:
            case bool():
                settings[name] = "true" if value else "false"
            case str() | int():
                settings[name] = str(value)
            case _:
                raise ConfigurationError(
                    f"{path}: {name} must be text, a whole number, true or false"
                )
    return settings


def check_environment(environment: Mapping[str, str], known: Collection[str]) -> None:
    """Refuses a variable that looks like a setting and is none, such as one that is misspelt.

    Raises:
        ConfigurationError: there is one.
    """
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable.startswith(_TESTS_PREFIX):
            continue
        if variable in NOT_SETTINGS:
            continue
        if variable.removeprefix(PREFIX).lower() not in known or not variable.isupper():
            raise ConfigurationError(f"the environment has {variable}, which is not a setting")


def _user_directory(environment: Mapping[str, str], variable: str, otherwise: str) -> Path:
    # XDG Base Directory Specification: what is not an absolute path is to be ignored.
    named = Path(environment.get(variable, ""))
    base = named if named.is_absolute() else Path.home() / otherwise
    return base / "meibo"


def _is_public_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for what is none
    except ValueError:
        return False
    named = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()
    return named and not (parts.query or parts.fragment or url.endswith("/") or " " in url)
