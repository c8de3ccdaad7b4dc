"""The commands. Each translates its arguments, does one thing, and ends with an exit code."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Never

import typer

from hitl_client import calls, flows, person_calls
from hitl_client.cli.emergency import start_bypass
from hitl_client.cli.given import json_object, json_of, standard_input, submission
from hitl_client.cli.named import Named, named
from hitl_client.cli.options import Id, Ids, NeededReason, OutputOption, Reason, Wait, Waiting
from hitl_client.cli.screen import Output, Screen
from hitl_client.cli.show import (
    Effects,
    exit_code,
    mapping,
    name_of,
    queue_table,
    sequence,
    text,
    ticket_page,
)
from hitl_client.cli.status import look, pages
from hitl_client.cli.voting import Ballot, vote_on_all, vote_on_one
from hitl_client.cli.work import DONE, PENDING, REFUSED, USAGE, Usage, Work, at_work, service_url
from hitl_client.errors import Pending
from hitl_client.simulation import Party, told
from hitl_client.simulation import simulate as run_simulation
from hitl_client.version import VERSION

NAMES = ("hitl", "leadfactory")

HELP = """Ask people before software acts, and answer when you are asked.

HITL_URL is the service's address (http://127.0.0.1:8000 when unset). HITL_TOKEN is your personal
token, or a service key for `submit`; HITL_TOKEN_FILE is a file that holds it.

A ticket is named by its ref (T-1042), its id, or the reference its requester gave it.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 still pending after --wait.
"""

# Plain help: with markup and colour switched off, no text can be taken for either.
app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(VERSION)
        raise typer.Exit


@app.callback()
def everywhere(
    ctx: typer.Context,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="How results are printed.")
    ] = Output.table,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Keep what stands before a command's name."""
    ctx.obj = output


@app.command(cls=Waiting)
def submit(
    ctx: typer.Context,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON; `-` is standard input.")],
    checkpoint: Annotated[
        str | None, typer.Option(help="The kind of decision; `general` when nothing names one.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="What people see first.")] = None,
    wait: Wait = None,
    output: OutputOption = None,
) -> None:
    """Open a ticket for what stands in FILE.

    That is the proposal itself, or a whole ticket: an object with `proposal` or `checkpoint`.
    """
    with at_work(_output(ctx, output)) as work:
        ticket = work.send(submission(json_of(file), checkpoint=checkpoint, title=title))
        if wait is None:
            work.screen.document(ticket)
            work.screen.line(f"{name_of(ticket)}  {text(ticket.get('status'))}")
            work.screen.note(f"Wait for the decision with: hitl get {name_of(ticket)} --wait")
            return
        # The ref is told before the wait, so that an interrupted one can be taken up again.
        work.screen.note(f"{name_of(ticket)} is open.")
        _end(_wait(work, text(ticket.get("id")), wait))


@app.command(cls=Waiting)
def get(ctx: typer.Context, id: Id, wait: Wait = None, output: OutputOption = None) -> None:
    """Show a ticket; with --wait, as soon as it is decided."""
    with at_work(_output(ctx, output)) as work:
        if wait is not None:
            _end(_wait(work, id, wait))
        ticket = work.send(calls.read(id))
        ticket_page(work.screen, ticket, Effects(work).of(ticket))


@app.command()
def queue(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    output: OutputOption = None,
) -> None:
    """List what waits for your vote, the most urgent first."""
    with at_work(_output(ctx, output)) as work:
        tickets, more = pages(work, person_calls.waiting, most=limit)
        work.screen.document(tickets)
        if tickets:
            queue_table(work.screen, tickets)
        else:
            work.screen.note("Nothing waits for your vote.")
        if more:
            work.screen.note(f"There are more than these {len(tickets)}: see --limit.")


@app.command("next")
def next_ticket(
    ctx: typer.Context,
    from_queue: Annotated[
        str | None, typer.Option("--queue", help="Only from this queue; else from all of yours.")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Take the most urgent ticket for ten minutes, and show it."""
    with at_work(_output(ctx, output)) as work:
        for slug in _queues(work) if from_queue is None else [from_queue]:
            flow = flows.send_for_any(work.connection.around, person_calls.claim_next(slug))
            claimed = work.connection.drive(flow)
            if claimed is not None:
                ticket = mapping(claimed.get("ticket"))
                ticket_page(work.screen, ticket, Effects(work).of(ticket))
                work.screen.note(f"Yours until {text(claimed.get('until'))}.")
                return
        work.screen.document(None)
        work.screen.note("Nothing waits for you.")


@app.command()
def approve(ctx: typer.Context, ids: Ids, reason: Reason = "", output: OutputOption = None) -> None:
    """Vote to approve tickets, each as it stands now."""
    _vote_on_all(_output(ctx, output), ids, Ballot("approve", reason))


@app.command()
def reject(ctx: typer.Context, ids: Ids, reason: NeededReason, output: OutputOption = None) -> None:
    """Vote to reject tickets, each as it stands now."""
    _vote_on_all(_output(ctx, output), ids, Ballot("reject", reason))


@app.command()
def vote(
    ctx: typer.Context,
    *,
    id: Id,
    choice: Annotated[str, typer.Argument(metavar="CHOICE", help="One of the ticket's options.")],
    reason: Reason = "",
    response: Annotated[
        str | None, typer.Option(metavar="JSON", help="The answers its form asks for.")
    ] = None,
    amendments: Annotated[
        str | None, typer.Option(metavar="JSON", help="The changed proposal, with `modify`.")
    ] = None,
    on_behalf_of: Annotated[
        str, typer.Option("--for", metavar="NAME", help="Who lends you the vote you cast.")
    ] = "",
    output: OutputOption = None,
) -> None:
    """Vote on a ticket with any of its options."""
    with at_work(_output(ctx, output)) as work:
        ballot = Ballot(
            choice,
            reason,
            response=json_object("--response", response),
            amendments=json_object("--amendments", amendments),
            on_behalf_of=on_behalf_of,
        )
        _end(vote_on_one(work, Named(id), ballot))


@app.command("approve-purchase")
def approve_purchase(
    ctx: typer.Context, id: Id, reason: Reason = "", output: OutputOption = None
) -> None:
    """Vote to approve a data purchase, and nothing else."""
    with at_work(_output(ctx, output)) as work:
        ballot = Ballot("approve", reason, checkpoint="data-purchase")
        _end(vote_on_one(work, Named(id), ballot))


@app.command("approve-campaign")
def approve_campaign(
    ctx: typer.Context, id: Id, reason: Reason = "", output: OutputOption = None
) -> None:
    """Vote to approve an e-mail campaign, and nothing else."""
    with at_work(_output(ctx, output)) as work:
        ballot = Ballot("approve", reason, checkpoint="email-campaign")
        _end(vote_on_one(work, Named(id), ballot))


@app.command()
@app.command("hitl-override", hidden=True)
def bypass(
    ctx: typer.Context,
    *,
    duration: Annotated[str, typer.Option(help="How long: 30m, 1h; at most 4h.")],
    reason: NeededReason,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="Only there; may be given again. Else everywhere.")
    ] = None,
    incident: Annotated[str, typer.Option(help="The number of the incident.")] = "",
    output: OutputOption = None,
) -> None:
    """Let what people would be asked pass for a time, in an emergency (also: hitl-override).

    Asks for your password or one-time code on the terminal. Leads, managers and auditors are
    told, and somebody else looks at what passed afterwards.
    """
    with at_work(_output(ctx, output)) as work:
        start_bypass(
            work,
            duration=duration,
            reason=reason,
            checkpoints=checkpoint or [],
            incident=incident,
        )


@app.command()
@app.command("hitl-status", hidden=True)
def status(ctx: typer.Context, output: OutputOption = None) -> None:
    """Say what works, what waits for you, and what is misconfigured (also: hitl-status)."""
    screen = Screen(_output(ctx, output))
    try:
        url = service_url()
    except Usage as problem:
        screen.note(f"hitl: {problem}")
        _end(USAGE)
    _end(look(url).print_on(screen))


@app.command()
def simulate(
    ctx: typer.Context,
    people: Annotated[
        Path, typer.Option(help="A file like demo.json: url, service_key, people with tokens.")
    ] = Path("var/demo.json"),
    output: OutputOption = None,
) -> None:
    """Drive a whole approval against a running service, and say what each step took.

    Opens real tickets. HITL_URL, where it is set, counts before the file's address.
    """
    screen = Screen(_output(ctx, output))
    try:
        party = Party.read(people, url=os.environ.get("HITL_URL") or None)
        steps = run_simulation(party, say=lambda step: screen.line(told(step)))
    except ValueError as problem:
        screen.note(f"hitl: {problem}")
        _end(USAGE)
    screen.document([asdict(step) for step in steps])
    failed = sum(step.result == "FAIL" for step in steps)
    screen.line(f"{len(steps) - failed} of {len(steps)} steps went well.")
    _end(REFUSED if failed else DONE)


def run(arguments: list[str], *, name: str = "hitl") -> int:
    """Run the command line and return its exit code."""
    try:
        code = app(args=arguments, prog_name=name, standalone_mode=False)
    except typer.TyperException as problem:
        screen = Screen(Output.table)
        screen.note(problem.format_message(), lines=True)
        context = getattr(problem, "ctx", None)
        if context is not None:
            screen.note(f"Try `{context.command_path} --help`.")
        return problem.exit_code
    except typer.Abort:
        return 130
    except BrokenPipeError:
        # Who read our output has seen enough. Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code if isinstance(code, int) else DONE


def main() -> Never:
    """Run the command line and end the process."""
    called = Path(sys.argv[0]).stem
    sys.exit(run(sys.argv[1:], name=called if called in NAMES else NAMES[0]))


def _output(ctx: typer.Context, asked: Output | None) -> Output:
    before = ctx.obj
    return asked or (before if isinstance(before, Output) else Output.table)


def _end(code: int) -> Never:
    raise typer.Exit(code)


def _wait(work: Work, ticket_id: str, seconds: float) -> int:
    """Wait for a decision, print the ticket, and return the exit code."""
    work.screen.note(f"Waiting up to {seconds:g} s for a decision ...")
    try:
        flow = flows.wait(work.connection.around, ticket_id, seconds)
        ticket = work.connection.drive(flow)
    except Pending as still:
        ticket_page(work.screen, still.ticket or {}, "")
        work.screen.note("Nobody has decided yet.")
        return PENDING
    ticket_page(work.screen, ticket, Effects(work).of(ticket))
    return exit_code(ticket)


def _queues(work: Work) -> list[str]:
    """Return the caller's queues, the one with the most urgent ticket first."""
    waiting, _ = pages(work, person_calls.waiting, most=person_calls.LONGEST_PAGE)
    mine = sequence(work.send(person_calls.me()).get("queues"))
    slugs = [ticket.get("queue") for ticket in waiting] + list(mine)
    return list(dict.fromkeys(slug for slug in slugs if isinstance(slug, str) and slug))


def _vote_on_all(output: Output, ids: list[str], ballot: Ballot) -> Never:
    with at_work(output) as work:
        tickets = named(ids, read=standard_input)
        if not tickets:
            work.screen.note("No ticket was named: nothing to do.")
        _end(vote_on_all(work, tickets, ballot))
