"""What is printed: one result on standard output, messages on standard error, all of it inert."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hitl_client.cli.inert import inert

_EACH = 1.0
"""Seconds between two lines of progress."""
_WIDE = 10_000
_LOOKS_LIKE_KEY = re.compile(r"hitl_[0-9a-f]{8}_[0-9A-Za-z_-]{8,}")


class Output(StrEnum):
    """How a result is printed."""

    table = "table"
    json = "json"


class Screen:
    """Standard output and standard error of one command.

    With `output` json, standard output gets exactly one JSON document in plain ASCII; everything
    for people goes to standard error. Nothing here colours: not one escape byte is written, to a
    terminal or a file. What looks like a key is not printed, wherever it comes from.
    """

    def __init__(self, output: Output, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.json = output is Output.json
        self._clock = clock
        self._told_at = clock()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    def document(self, value: Any) -> None:
        """Print the result as JSON, where JSON is asked for."""
        if self.json:
            print(_no_keys(json.dumps(value, ensure_ascii=True, indent=2)), flush=True)

    def line(self, text: str = "") -> None:
        """Print a line of the result, where it is for people."""
        if not self.json:
            print(_no_keys(inert(text)), flush=True)

    def block(self, text: str) -> None:
        """Print lines of the result, where it is for people."""
        if not self.json:
            print(_no_keys(inert(text, lines=True)), flush=True)

    def note(self, text: str, *, lines: bool = False) -> None:
        """Print a message on standard error."""
        print(_no_keys(inert(text, lines=lines)), file=sys.stderr, flush=True)

    def progress(self, text: str) -> None:
        """Print how far a long command is, on standard error, at most once a second."""
        if self._clock() - self._told_at >= _EACH:
            self._told_at = self._clock()
            self.note(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows under headings, where the result is for people.

        On a terminal long cells are folded; elsewhere each row is one line, whatever its length.
        """
        if self.json:
            return
        on_terminal = sys.stdout.isatty()
        console = Console(
            file=sys.stdout,
            force_terminal=False,
            color_system=None,
            markup=False,
            emoji=False,
            highlight=False,
            width=None if on_terminal else _WIDE,
        )
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for number, name in enumerate(columns):
            table.add_column(Text(name), no_wrap=number == 0, overflow="fold")
        for row in rows:
            table.add_row(*(Text(_no_keys(inert(cell))) for cell in row))
        console.print(table)


def _no_keys(text: str) -> str:
    return _LOOKS_LIKE_KEY.sub("[a key, not shown]", text)
