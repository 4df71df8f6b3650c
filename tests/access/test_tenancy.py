"""Every function that reads or writes rows is told whose, first of all."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import meibo.storage

EXEMPT = {
    "tenants.by_slug",  # these find out whose
    "tenants.known_slugs",
    "tenants.list_tenants",
    "tenants.next_id",
    "tokens.credential",
    "requests.append",  # each row says whose it is
}


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module in pkgutil.iter_modules(meibo.storage.__path__):
        found = importlib.import_module(f"meibo.storage.{module.name}")
        for name, function in inspect.getmembers(found, inspect.iscoroutinefunction):
            parameters = list(inspect.signature(function).parameters)
            ours = function.__module__ == found.__name__ and not name.startswith("_")
            if ours and parameters[:1] == ["tx"]:
                yield f"{module.name}.{name}", function


FUNCTIONS = dict(functions())


def test_there_are_functions_to_look_at() -> None:
    assert len(FUNCTIONS) > 20
    assert set(FUNCTIONS) > EXEMPT


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - EXEMPT))
def test_the_tenant_comes_first_and_is_required(name: str) -> None:
    second = list(inspect.signature(FUNCTIONS[name]).parameters.values())[1]
    assert second.name == "tenant"
    assert second.annotation is int
    assert second.default is inspect.Parameter.empty
    assert second.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
