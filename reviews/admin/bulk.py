"""Several tickets at once: look at what was chosen, answer or assign, see each one's fate."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from approvals import permissions
from approvals.answers import check_plain
from approvals.errors import Invalid, NotVisible, Refusal
from approvals.models import User
from approvals.options import Option
from approvals.services.polls import Poll, question_of
from audit.clock import db_now
from reviews.actions import SENTENCES, available_actions, poll_before
from reviews.admin.around import assign_to
from reviews.admin.pages import SeeOther, desk_page, person_of
from reviews.admin.rows import Row, for_rows, row_of
from reviews.api.desk_work import limit_bulk
from reviews.display import fields
from reviews.models import Ticket
from reviews.services.bulk_votes import MOST, Item, cast_bulk_votes, why_single
from reviews.services.lookup import find_ticket
from reviews.services.seats import GIVES
from reviews.services.tickets import revoke_ticket
from reviews.services.votes import withdraw_vote

_KEPT = "bulk"  # where a session keeps what became of the last ones
_SAID = {"allow": "approved", "deny": "rejected", "return": "sent back", "answer": "answered"}
_WORDS = {
    "done": "",
    "asked": "recorded while others are asked",
    "assigned": "assigned",
    "taken-back": "taken back",
    "stands": "could not be taken back",
    "changed": "changed since",
    "already-decided": "already decided",
    "not-eligible": "not yours to decide",
    "needs-single-review": "left for a single review",
    "not-found": "no longer there",
    "busy": "busy, try again",
    "refused": "refused",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """One chosen ticket as the page tells it; `why` says why it is left out, if it is."""

    row: Row
    sentence: str
    why: str


@require_http_methods(["GET", "HEAD", "POST"])
def bulk_page(request: HttpRequest) -> HttpResponse:
    """Show what was chosen in the queue, or do what was pressed on it."""
    user = person_of(request)
    if request.method != "POST":
        return HttpResponseRedirect(reverse("admin:reviews_ticket_changelist"))
    act = request.POST.get("act", "")
    try:
        if act == "take-back":
            return _take_back(request, user)
        items = _items(request)
        if act == "vote":
            return _vote(request, user, items)
        if act == "give":
            return _give(request, user, items)
    except Refusal as refusal:
        return _look(request, user, _items(request, strict=False), refusal)
    return _look(request, user, items)


@require_safe
def bulk_result(request: HttpRequest) -> HttpResponse:
    """Show what became of the last ones, and whether they can still be taken back."""
    user = person_of(request)
    kept = request.session.get(_KEPT)
    if not isinstance(kept, dict):
        return HttpResponseRedirect(reverse("admin:reviews_ticket_changelist"))
    return desk_page(request, "bulk_result.html", _result(kept, user))


def _items(request: HttpRequest, *, strict: bool = True) -> list[Item]:
    """Return the chosen tickets, each sent as `id:version`.

    :raises Invalid: for none, too many, or what no page of ours sends.
    """
    items = []
    for text in dict.fromkeys(request.POST.getlist("ticket")):
        name, _, version = text.partition(":")
        try:
            items.append(Item(str(UUID(name)), int(version) if version.isdecimal() else 0))
        except ValueError:
            continue
    if strict and not 0 < len(items) <= MOST:
        raise Invalid(f"Choose 1 to {MOST} tickets." if items else "Choose a ticket first.")
    return items[:MOST]


def _read(user: User, items: list[Item]) -> list[Ticket]:
    """Return the chosen tickets this person may see, in the order they were chosen."""
    wanted = Ticket.objects.visible_to(user).filter(pk__in=[item.ticket for item in items])
    found = {str(ticket.pk): ticket for ticket in for_rows(wanted)}
    return [found[item.ticket] for item in items if item.ticket in found]


def _look(
    request: HttpRequest, user: User, items: list[Item], refusal: Refusal | None = None
) -> HttpResponse:
    giving = request.POST.get("act") in ("assign", "give")
    tickets = _read(user, items)
    if not tickets:
        return HttpResponseRedirect(reverse("admin:reviews_ticket_changelist"))
    now, seen = db_now(), {item.ticket: item.version for item in items}
    chosen, polls = [], []
    for ticket in tickets:
        poll = poll_before(ticket, user, now=now)
        polls.append(poll)
        why = "" if giving else _why_not(ticket, poll, user, seen[str(ticket.pk)])
        sentence = fields.effect(ticket.checkpoint.effect_sentence, ticket.proposal, ticket.amount)
        told = "".join(part.text for part in sentence) if sentence else ticket.summary
        chosen.append(Chosen(row_of(ticket, now=now), told, why))
    together = [one for one in chosen if not one.why]
    context: dict[str, Any] = {
        "title": "Assign together" if giving else "Answer together",
        "now": now,
        "together": together,
        "apart": [one for one in chosen if one.why],
        "answers": _answers([p for p, one in zip(polls, chosen, strict=True) if not one.why]),
        "banner": refusal.detail if refusal else "",
        "reason": request.POST.get("reason", ""),
        "reason_wanted": refusal is not None and refusal.code == "reason-required",
    }
    if giving:
        context["people"] = _people(user, tickets)
        context["may_give"] = user.has_perm(GIVES)
    template = "bulk_assign.html" if giving else "bulk.html"
    return desk_page(request, template, context, status=refusal.status if refusal else 200)


def _why_not(ticket: Ticket, poll: Poll, user: User, version: int) -> str:
    """Return why a ticket is not answered together with others, or nothing."""
    can, refused = available_actions(poll, ticket, user)
    if "vote" not in can:
        return SENTENCES.get(refused or "", "You cannot decide this.")
    if ticket.version != version:
        return "It has changed since you saw it in the queue."
    options = question_of(ticket.decision).options
    shortest = next((option for option in options if not option.form), options[0])
    return why_single(ticket, shortest.key)


def _answers(polls: list[Poll]) -> list[Option]:
    """Return the answers all of them take that ask for no more than a reason."""
    if not polls:
        return []
    common = {option.key for option in polls[0].question.options if not option.form}
    for poll in polls[1:]:
        common &= {option.key for option in poll.question.options if not option.form}
    return [option for option in polls[0].question.options if option.key in common]


def _people(user: User, tickets: list[Ticket]) -> list[User]:
    """Return whom these tickets can be given to: oneself, and for who gives work, all asked."""
    if not user.has_perm(GIVES):
        return [user]
    seated: set[int] = set()
    for policy in {ticket.decision.policy_id for ticket in tickets}:
        seated |= seats_of(policy)
    return list(User.objects.filter(pk__in=seated, is_active=True).order_by("first_name", "pk"))


def seats_of(policy: UUID) -> set[int]:
    """Return the ids of everybody who may vote under a policy."""
    return set(permissions.everybody_seated(policy_id=policy, now=db_now()))


def _vote(request: HttpRequest, user: User, items: list[Item]) -> HttpResponse:
    choice = request.POST.get("choice", "")
    reason = request.POST.get("reason", "").replace("\r\n", "\n")
    check_plain(reason, at="/reason")
    limit_bulk(user)
    results = cast_bulk_votes(voter=user, choice=choice, reason=reason, items=items)
    effects = [
        option.effect
        for result in results
        if result.ticket is not None
        for option in question_of(result.ticket.decision).options
        if option.key == choice
    ]
    word = _SAID.get(effects[0] if effects else "", "answered")
    return _keep(request, word, [(r.item.ticket, r.fate, r.detail) for r in results])


def _give(request: HttpRequest, user: User, items: list[Item]) -> HttpResponse:
    note = request.POST.get("reason", "").replace("\r\n", "\n")
    person = request.POST.get("person", "")[:150]
    if not person:
        raise Invalid("Choose somebody to give them to.")
    results = []
    for item in items:
        try:
            ticket = find_ticket(item.ticket, user=user)
            assign_to(ticket, person=person, by=user, note=note)
            results.append((item.ticket, "assigned", ""))
        except Refusal as refusal:
            fate = "not-found" if isinstance(refusal, NotVisible) else "refused"
            results.append((item.ticket, fate, refusal.detail))
    return _keep(request, "", results)


def _take_back(request: HttpRequest, user: User) -> HttpResponse:
    """Take back what still can be: during the hold the vote, in its window the decision."""
    kept = request.session.get(_KEPT)
    before = kept["results"] if isinstance(kept, dict) else []
    results = [
        _taken_back(name, user) if fate == "done" else (name, fate, detail)
        for name, fate, detail in before
    ]
    return _keep(request, kept["word"] if isinstance(kept, dict) else "", results)


def _taken_back(name: str, user: User) -> tuple[str, str, str]:
    try:
        ticket = find_ticket(name, user=user)
        if ticket.status == Ticket.Status.PENDING:
            withdraw_vote(ticket_id=ticket.pk, voter=user)
        else:
            why = "Taken back right after answering several at once."
            revoke_ticket(ticket_id=ticket.pk, by=user, reason=why)
    except Refusal as refusal:
        return name, "stands", refusal.detail
    return name, "taken-back", ""


def _keep(request: HttpRequest, word: str, results: list[tuple[str, str, str]]) -> HttpResponse:
    request.session[_KEPT] = {"word": word, "results": results}
    return SeeOther(reverse("admin:reviews_ticket_bulk_result"))


def _result(kept: dict[str, Any], user: User) -> dict[str, Any]:
    now = db_now()
    names = [name for name, _, _ in kept["results"]]
    seen = for_rows(Ticket.objects.visible_to(user).filter(pk__in=names))
    tickets = {str(ticket.pk): ticket for ticket in seen}
    words = {**_WORDS, "done": kept["word"]}
    lines, counted, until = [], dict.fromkeys(words, 0), list[datetime]()
    while_asked = 0
    for name, kept_fate, detail in kept["results"]:
        ticket, fate = tickets.get(name), kept_fate
        back: datetime | None = None
        if ticket is not None and fate == "done":
            decision = ticket.decision
            can, _ = available_actions(poll_before(ticket, user, now=now), ticket, user)
            if decision.settled_at is None:
                fate = "asked"
                while_asked += "withdraw" in can
            elif "withdraw" in can:
                back = decision.final_at
            elif "revoke" in can:
                back = decision.revocable_until
        if back:
            until.append(back)
        counted[fate] += 1
        lines.append((ticket, words[fate], detail, back))
    return {
        "title": "What became of them",
        "now": now,
        "sentence": ", ".join(f"{n} {words[fate]}" for fate, n in counted.items() if n),
        "lines": lines,
        "back": len(until) + while_asked,
        "back_until": min(until, default=None),
        "final": counted["done"] - len(until),
    }
