"""Arguments and options that commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from hitl_client.cli.screen import Output

USUAL_WAIT = 3600.0
"""Seconds that `--wait` without a number stands for."""

OutputOption = Annotated[
    Output | None, typer.Option("--output", "-o", help="How the result is printed.")
]
Ids = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Tickets; `-` reads them from standard input.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The ticket.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; everybody involved reads it.")]
NeededReason = Annotated[
    str, typer.Option("--reason", "-r", help="Why; everybody involved reads it.")
]
Wait = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="[SECONDS]", help="Wait for the decision; without a number, an hour."
    ),
]


class Waiting(TyperCommand):
    """A command whose `--wait` may stand without its number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the usual number where `--wait` has none."""
        end = args.index("--") if "--" in args else len(args)
        for place in range(end):
            following = args[place + 1] if place + 1 < end else ""
            if args[place] == "--wait" and not _is_number(following):
                args[place] = f"--wait={USUAL_WAIT}"
        return super().parse_args(ctx, args)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
