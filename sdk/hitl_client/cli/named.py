"""Which tickets a command is about: arguments, and standard input with `-`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hitl_client.cli.work import Usage


@dataclass(frozen=True)
class Named:
    """A ticket by its id, ref or the caller's reference, and the version somebody saw, if told."""

    name: str
    version: int | None = None


def named(arguments: Iterable[str], *, read: Callable[[], str]) -> list[Named]:
    """Return the tickets that are named, each once, in order; `-` stands for what `read` returns.

    That is one name a line, or JSON as `hitl queue --output json` prints it (a list of tickets, or
    one ticket a line): then votes go to the very versions it shows.

    :raises Usage: when it is neither.
    """
    found: dict[str, Named] = {}
    for argument in arguments:
        for one in from_text(read()) if argument == "-" else [Named(argument)]:
            found.setdefault(one.name, one)
    return list(found.values())


def from_text(text: str) -> list[Named]:
    """Return the tickets a text names.

    :raises Usage: for JSON that names none.
    """
    text = text.lstrip("\ufeff").strip()
    if not text.startswith(("[", "{")):
        return [Named(line.strip()) for line in text.splitlines() if line.strip()]
    return [_from_json(item) for item in _items(text)]


def _items(text: str) -> list[Any]:
    try:
        try:
            read = json.loads(text)
        except ValueError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise Usage("standard input is not JSON, and does not name one ticket a line") from None
    return read if isinstance(read, list) else [read]


def _from_json(item: Any) -> Named:
    if isinstance(item, str):
        return Named(item)
    if isinstance(item, dict):
        name, version = item.get("id") or item.get("ref"), item.get("version")
        if isinstance(name, str) and name:
            told = isinstance(version, int) and not isinstance(version, bool)
            return Named(name, version if told else None)
    raise Usage("standard input holds JSON that names no ticket: each needs an `id`")
