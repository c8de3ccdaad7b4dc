"""Drive a whole approval against a running service, step by step, and say how long each took.

Nothing is simulated on the service's side: tickets are opened, people vote, receipts are consumed.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hitl_client import flows, person_calls
from hitl_client.calls import Call, json_body, ticket_path
from hitl_client.client import HitlClient
from hitl_client.connection import Connection
from hitl_client.errors import AlreadyConsumed, HitlError, Invalid
from hitl_client.guard import Guard
from hitl_client.transport import Bearer

WAIT = 30.0
"""Seconds a step may wait for the service before it failed."""
_MOST_PAGES = 25
_JSON = {"Content-Type": "application/json"}


class StepFailed(Exception):
    """What a step found instead of what it expected."""


class Skipped(Exception):
    """Why a step was not tried; that is no failure."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `result` is `ok`, `FAIL` or `skip`, `seconds` what it took, `told` what it saw."""

    name: str
    result: str
    seconds: float
    told: str


@dataclass(frozen=True, slots=True)
class Party:
    """Who takes part: where the service is, the asking program's key, and people's tokens."""

    url: str
    service_key: str
    tokens: tuple[str, ...]

    @classmethod
    def read(cls, path: Path, *, url: str | None = None) -> Party:
        """Return what a file in the form of `demo.json` says; reviewers come first.

        :raises ValueError: when it is none, in a sentence that repeats nothing of it.
        """
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            people = sorted(told["people"], key=lambda one: "reviewer" not in one["roles"])
            tokens = tuple(str(one["token"]) for one in people if one["roles"])
            return cls(url or str(told["url"]), str(told["service_key"]), tokens)
        except OSError:
            raise ValueError(f"{path} cannot be read") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{path} is not of the form of demo.json (url, service_key, people with tokens)"
            ) from None


class Simulation:
    """One run. `say` hears of every step as it ends."""

    def __init__(self, party: Party, *, say: Callable[[Step], None]) -> None:
        if not party.tokens:
            raise ValueError("nobody is there who could vote")
        self._party, self._say = party, say
        self._client = HitlClient(party.url, party.service_key)
        self._asking = Connection(party.url, Bearer(party.service_key))
        self._people = [Connection(party.url, Bearer(token)) for token in party.tokens]
        self._mark = f"{time.time_ns():x}"
        self.steps: list[Step] = []

    def run(self) -> bool:
        """Run every step; a failed one ends its own flow only. Return whether all went well."""
        with _listening() as listener:
            for flow in (
                self._ready,
                lambda: self._approval(listener),
                self._machine,
                self._another_round,
                self._rejection,
                self._cancelling,
                self._timeout,
            ):
                try:
                    flow()
                except StepFailed:
                    continue
        self.close()
        return all(step.result != "FAIL" for step in self.steps)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        for connection in (self._asking, *self._people):
            connection.close()

    def _ready(self) -> None:
        self._step("ready", lambda: self._asking.drive(
            flows.exchange(self._asking.around, person_calls.ready())
        ) and "every part works")  # fmt: skip

    def _approval(self, listener: _Listener) -> None:
        proposal = self._proposal("approved")
        ticket = self._open("open", proposal, callback_url=listener.url)
        name = ticket["id"]
        self._step("list", lambda: self._listed(name))
        self._step("claim", lambda: self._claim(name))
        waiting = _Later(lambda: self._client.wait_for_decision(name, timeout=WAIT))
        self._step("vote", lambda: self._vote(name, "approve"))
        self._step("wait", lambda: _expect(waiting.answer(), status="approved", allowed=True))
        self._step("receipt", lambda: self._verify(name, proposal))
        self._step("consume", lambda: self._consume(name, proposal))
        self._step("webhook", lambda: listener.heard(name, skip=not ticket.get("_called_back")))

    def _machine(self) -> None:
        ticket = self._open("open", self._proposal("for people only"))

        def refused() -> str:
            call = person_calls.vote(ticket["id"], choice="approve", version=ticket["version"])
            try:
                self._asking.send(call)
            except HitlError as refusal:
                _same("code", refusal.code, "machine-cannot-vote")
                return refusal.code
            raise StepFailed("a service key voted")

        self._step("machine", refused)
        self._client.cancel(ticket["id"], "The simulation is over.")

    def _another_round(self) -> None:
        ticket = self._open("open", self._proposal("to be changed"))
        name = ticket["id"]
        self._step("ask back", lambda: self._vote(name, "request_changes", "Name the invoice."))
        self._step("returned", lambda: _expect(self._wait(name), status="needs_changes"))
        changed = {**self._proposal("changed"), "invoice": "R-1"}
        self._step("resubmit", lambda: _expect(
            self._client.resubmit(name, changed), status="pending", round=2
        ))  # fmt: skip
        self._step("vote", lambda: self._vote(name, "approve"))
        self._step("wait", lambda: _expect(self._wait(name), status="approved", allowed=True))

    def _rejection(self) -> None:
        name = self._open("open", self._proposal("rejected"))["id"]
        self._step("vote", lambda: self._vote(name, "reject", "Too expensive."))
        self._step("wait", lambda: _expect(
            self._wait(name), status="rejected", allowed=False, comments="Too expensive."
        ))  # fmt: skip

    def _cancelling(self) -> None:
        name = self._open("open", self._proposal("cancelled"))["id"]
        self._step("cancel", lambda: _expect(
            self._client.cancel(name, "Nobody needs it any more."), status="cancelled"
        ))  # fmt: skip

    def _timeout(self) -> None:
        name = self._open("open", self._proposal("silence"), timeout_seconds=2)["id"]
        self._step("timeout", lambda: _expect(self._wait(name), status="expired", allowed=False))

    def _proposal(self, what: str) -> dict[str, Any]:
        return {"title": f"Simulation: {what}", "amount": 900, "run": self._mark}

    def _open(self, name: str, proposal: dict[str, Any], **fields: Any) -> dict[str, Any]:
        opened: dict[str, Any] = {}

        def submit() -> str:
            try:
                opened.update(self._client.submit_for_review(proposal, **fields))
                opened["_called_back"] = "callback_url" in fields
            except Invalid as refused:
                pointers = {error.get("pointer") for error in refused.errors}
                if pointers != {"/callback_url"}:
                    raise
                # This service does not call back to this machine; the rest can be tried.
                fields.pop("callback_url")
                opened.update(self._client.submit_for_review(proposal, **fields))
            _same("status", opened["status"], "pending")
            return f"{opened['ref']} {proposal['title']}"

        self._step(name, submit)
        return opened

    def _listed(self, ticket_id: str) -> str:
        cursor: str | None = None
        for page in range(_MOST_PAGES):
            answer = self._people[0].send(person_calls.waiting(cursor=cursor))
            if any(one["id"] == ticket_id for one in answer["data"]):
                return f"on page {page + 1} of what waits"
            cursor = answer.get("next_cursor")
            if cursor is None:
                break
        raise StepFailed("it does not wait for the first person")

    def _claim(self, ticket_id: str) -> str:
        path = f"{ticket_path(ticket_id)}/claim"
        claimed = self._people[0].send(Call("POST", path, body=json_body({}), headers=_JSON))
        return f"until {claimed.get('until')}" if claimed.get("until") else "claimed"

    def _vote(self, ticket_id: str, choice: str, reason: str = "") -> str:
        """Vote as one person after the other, until that is enough."""
        voted = 0
        for person in self._people:
            seen = person.send(Call("GET", ticket_path(ticket_id)))
            if seen["status"] != "pending":
                break
            if "vote" not in seen["viewer"]["can"]:
                continue
            person.send(
                person_calls.vote(ticket_id, choice=choice, version=seen["version"], reason=reason)
            )
            voted += 1
        if not voted:
            raise StepFailed("none of the people may vote on it")
        return f"{choice} by {voted}"

    def _verify(self, ticket_id: str, proposal: dict[str, Any]) -> str:
        token = self._client.receipt(ticket_id)["receipt"]
        claims = self._client.verify_receipt(token, action=proposal)
        _same("allowed", claims["allowed"], True)
        return f"signed, of {claims['outcome']} by {claims['by']}"

    def _consume(self, ticket_id: str, proposal: dict[str, Any]) -> str:
        with Guard(self._client).verify_and_consume(ticket_id, proposal) as consumption:
            _same("action", consumption.action, proposal)
        try:
            self._client.consume(ticket_id, proposal)
        except AlreadyConsumed:
            return "once; the second time was refused"
        raise StepFailed("an approval was used twice")

    def _wait(self, ticket_id: str) -> dict[str, Any]:
        return self._client.wait_for_decision(ticket_id, timeout=WAIT)

    def _step(self, name: str, do: Callable[[], Any]) -> None:
        began = time.monotonic()
        try:
            result, told = "ok", str(do())
        except Skipped as why:
            result, told = "skip", str(why)
        except (HitlError, StepFailed) as problem:
            result, told = "FAIL", str(problem)
        step = Step(name, result, round(time.monotonic() - began, 3), told)
        self.steps.append(step)
        self._say(step)
        if result == "FAIL":
            raise StepFailed(told)


def _expect(ticket: Mapping[str, Any], **wanted: Any) -> str:
    for name, value in wanted.items():
        _same(name, ticket.get(name), value)
    return ", ".join(f"{name} {value}" for name, value in wanted.items())


def _same(name: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise StepFailed(f"{name} is {found!r} where {wanted!r} was expected")


class _Later:
    """Something waited for in a thread while somebody else acts."""

    def __init__(self, do: Callable[[], dict[str, Any]]) -> None:
        self._answers: queue.Queue[dict[str, Any] | HitlError] = queue.Queue()

        def run() -> None:
            try:
                self._answers.put(do())
            except HitlError as problem:
                self._answers.put(problem)

        threading.Thread(target=run, daemon=True).start()

    def answer(self) -> dict[str, Any]:
        answer = self._answers.get(timeout=WAIT + 10)
        if isinstance(answer, HitlError):
            raise answer
        return answer


@dataclass
class _Listener:
    """A listener on this machine for what the service calls back with."""

    url: str
    messages: queue.Queue[tuple[Mapping[str, str], bytes]] = field(default_factory=queue.Queue)

    def heard(self, ticket_id: str, *, skip: bool) -> str:
        if skip:
            raise Skipped("the service may not call this machine: see HITL_OUTBOUND_ALLOWED")
        deadline = time.monotonic() + WAIT
        while True:
            try:
                headers, body = self.messages.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise StepFailed(f"no callback within {WAIT:.0f} s") from None
            event = json.loads(body)
            if event.get("subject") == ticket_id and event.get("type") == "ticket.decided":
                return f"{event['type']}, id {headers.get('webhook-id', 'none')}"


@contextmanager
def _listening() -> Iterator[_Listener]:
    listener = _Listener("")

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            listener.messages.put((dict(self.headers.items()), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keeper)
    listener.url = f"http://127.0.0.1:{server.server_address[1]}/callback"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()


def simulate(party: Party, *, say: Callable[[Step], None]) -> Sequence[Step]:
    """Run every step and return them; a caller fails when one of them says `FAIL`."""
    simulation = Simulation(party, say=say)
    simulation.run()
    return simulation.steps


def told(step: Step) -> str:
    """Return a step as one line."""
    return f"{step.result:4}  {step.seconds:7.3f} s  {step.name:<9} {step.told}"
