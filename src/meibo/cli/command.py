"""What every command has: its settings from three places, an example, and how it ends.

An option is a setting as well: ``--public-url`` is ``MEIBO_PUBLIC_URL`` in the environment and
``public_url`` in the settings file. An option of the same name means the same in every command.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from meibo import config
from meibo.access.errors import Refusal
from meibo.config import ConfigurationError
from meibo.directory.attributes import AttributeRefused
from meibo.scim.errors import ScimError
from meibo.storage.errors import DatabaseUnavailable, SchemaMismatch, StorageError

EXIT_CODES = """\b
Exit codes:
  0  done
  1  refused or failed
  2  the command line or a setting is wrong
  3  the database cannot be reached, or is newer or older than this program"""


class Failure(click.ClickException):
    """Ends the program with one line on standard error: refused or failed."""

    exit_code = 1


class WrongSetting(Failure):
    """The command line, the environment or the settings file is wrong."""

    exit_code = 2


class NoDatabase(Failure):
    """The database cannot be reached, or is not of this program's version."""

    exit_code = 3


class Command(click.Command):
    """A command whose options are settings, with an example in its help.

    Args:
        example: a command line to copy.
    """

    def __init__(self, *args: Any, example: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.example = example
        self.epilog = f"\b\nExample:\n  {example}"
        self.params.append(_config_option(_read_settings))
        for option in _options(self):
            option.envvar = config.PREFIX + setting_name(option).upper()
            option.show_envvar = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the options, and names the settings file where a value in it is wrong."""
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            name = error.param.name if error.param is not None else None
            file = ctx.meta.get(_FILE)
            if name is not None and file is not None:
                source = ctx.get_parameter_source(name)
                if source is click.core.ParameterSource.DEFAULT_MAP:
                    raise click.BadParameter(
                        f"{error.message} (in {file})", ctx=error.ctx, param=error.param
                    ) from error
            raise


class Group(click.Group):
    """A noun with its commands."""

    command_class = Command


class Root(Group):
    """The program; ends every expected error with one line and the exit code that tells it."""

    group_class = Group

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, context_settings={"max_content_width": 100}, **attributes)
        self.params.append(_config_option(_note_file))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise WrongSetting(str(error)) from error
        except (Refusal, AttributeRefused) as refusal:
            raise Failure(str(refusal)) from refusal
        except ScimError as error:
            raise Failure(error.detail) from error
        except (DatabaseUnavailable, SchemaMismatch) as error:
            raise NoDatabase(str(error)) from error
        except StorageError as error:
            raise Failure("somebody else is changing the same thing: try again") from error


def setting_name(option: click.Option) -> str:
    """``public_url`` for ``--public-url``."""
    longest = max(option.opts, key=len)
    return longest.removeprefix("--").replace("-", "_")


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command below ``group`` with the words that call it, in order of their names."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        elif isinstance(command, Command):
            yield (*path, name), command


def settings_of(root: click.Group) -> set[str]:
    """The names of all settings that there are."""
    return {setting_name(option) for _, command in commands(root) for option in _options(command)}


_FILE = "meibo.file"  # which is read
_NAMED = "meibo.named"  # before the command's name


def _options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


def _config_option(
    callback: Callable[[click.Context, click.Parameter, Path | None], None],
) -> click.Option:
    return click.Option(
        ["--config"],
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,  # before the options whose values it gives
        expose_value=False,
        callback=callback,
        help="The settings file, in TOML.",
        show_default="meibo/meibo.toml in the user's configuration directory, if it is there",
    )


def _note_file(ctx: click.Context, _param: click.Parameter, named: Path | None) -> None:
    """Keeps what is said before the command's name for the command."""
    ctx.meta[_NAMED] = named


def _read_settings(ctx: click.Context, _param: click.Parameter, named: Path | None) -> None:
    """Checks the environment, and lets the file give what it does not."""
    if ctx.resilient_parsing:
        return
    named = named or ctx.meta.get(_NAMED)
    root = ctx.find_root().command
    known = settings_of(root) if isinstance(root, click.Group) else set[str]()
    try:
        config.check_environment(os.environ, known)
        file = config.default_file(os.environ) if named is None else named
        if named is None and not file.exists():
            return
        # A file that names another file would be read by nobody.
        settings = config.read_file(file, known - {"config"})
    except ConfigurationError as error:
        raise WrongSetting(str(error)) from error
    ctx.meta[_FILE] = file
    # Several values stand in one text with spaces, as click reads them from the environment.
    ctx.default_map = {
        option.name: text.split() if option.multiple else text
        for option in _options(ctx.command)
        if (text := settings.get(setting_name(option))) is not None
    }
