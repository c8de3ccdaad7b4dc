"""The queue and the ticket's page: they look and translate; the services act."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST, require_safe

from approvals.confirmation import asks_for, confirmed_lately
from approvals.errors import Invalid, NotVisible, Refusal, TicketChanged
from approvals.models import User
from approvals.safeguards import Confirmed, must_confirm
from approvals.services.policies import published, safeguards_of
from audit.admin import ReadOnlyAdmin
from reviews.admin import preferences, tokens
from reviews.admin.around import acts_around, around, onward, told_before
from reviews.admin.away import away_now
from reviews.admin.bulk import bulk_page, bulk_result
from reviews.admin.choices import Typed
from reviews.admin.live_look import look, marks, state_of
from reviews.admin.my_requests import my_requests
from reviews.admin.pages import UNKNOWN_ACT, SeeOther, desk_page, person_of
from reviews.admin.queue import QueuePage, arrivals
from reviews.admin.sent import answer_of, proof_sent, reason_of, remark_of, typed_of, version_of
from reviews.admin.ticket_page import TicketPage
from reviews.display import moments
from reviews.models import Ticket
from reviews.services import assignments
from reviews.services.comments import add_comment
from reviews.services.lookup import find_ticket
from reviews.services.second_looks import request_review
from reviews.services.skips import skip_ticket
from reviews.services.test_mails import Sent
from reviews.services.tickets import revoke_ticket
from reviews.services.votes import cast_vote, withdraw_vote


@admin.register(Ticket)
class TicketAdmin(ReadOnlyAdmin):
    """The desk. Everybody who may sign in sees it; which tickets, `visible_to` says."""

    def has_view_permission(self, request: HttpRequest, obj: Ticket | None = None) -> bool:
        """Let every person of the desk in; rows are chosen by `visible_to`."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        at_desk = {
            "next/": (self.start_reviewing, "next"),
            "arrivals/": (self.arrivals, "arrivals"),
            "bulk/": (bulk_page, "bulk"),
            "bulk/result/": (bulk_result, "bulk_result"),
            "preferences/": (preferences.preferences_page, "preferences"),
            "tokens/": (tokens.tokens_page, "tokens"),
            "density/": (preferences.density, "density"),
            "views/": (preferences.views, "views"),
            "<str:object_id>/report": (self.report, "report"),
            "<str:object_id>/viewing": (self.viewing, "viewing"),
        }
        return [
            # For everybody an agent acts for, whether they have a place at the desk or not.
            path("requests/", my_requests, name="reviews_ticket_requests"),
            *(
                path(where, self.admin_site.admin_view(view), name=f"reviews_ticket_{name}")
                for where, (view, name) in at_desk.items()
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the queue."""
        user = person_of(request)
        page = QueuePage(request, user)
        context = {**page.context(), **told_before(request, user)}
        context["nothing"] = "nothing" in request.GET
        context["away"] = away_now(user, now=page.now)
        return desk_page(request, "queue.html", context)

    @method_decorator(require_safe)
    def arrivals(self, request: HttpRequest) -> HttpResponse:
        """Say what came since a list was made and how its rows stand; the page asks when told."""
        user = person_of(request)
        page = QueuePage(request, user)
        told = {**arrivals(request, page), "rows": marks(request, page)}
        return JsonResponse(told, headers={"Cache-Control": "no-store"})

    @method_decorator(require_POST)
    def viewing(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Note who has a ticket's page open; tell the page who else has, and what changed."""
        user = person_of(request)
        told = look(request, seen(object_id, user), user)
        return JsonResponse(told, headers={"Cache-Control": "no-store"})

    @method_decorator(require_POST)
    def start_reviewing(self, request: HttpRequest) -> HttpResponse:
        """Claim the most urgent ticket this person may decide, and go there."""
        user = person_of(request)
        queues = QueuePage(request, user)
        chosen = request.POST.get("queue", "")
        for queue in queues.queues:
            if chosen and queue.slug != chosen:
                continue
            try:
                ticket = assignments.claim_next(queue=queue, person=user)
            except Refusal:
                # Somebody else was faster everywhere we looked; the list says how things stand.
                break
            if ticket is not None:
                return SeeOther(address_of(ticket))
        again = {"queue": chosen} if chosen else {}
        address = reverse("admin:reviews_ticket_changelist")
        return SeeOther(f"{address}?{urlencode({**again, 'nothing': 1})}")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a ticket, or do what was pressed on it."""
        user = person_of(request)
        ticket = seen(unquote(object_id), user)
        if request.method == "POST":
            return self._act(request, ticket, user)
        page = TicketPage(ticket, user)
        context = {**page.context(), "around": around(page), **told_before(request, user)}
        context["asks_for"] = asked_of(request, user, ticket)
        context["state"] = state_of(ticket)
        return desk_page(request, "ticket.html", context)

    @method_decorator(require_safe)
    def report(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the comparison a ticket is about as a file; 404 where it compares nothing."""
        user = person_of(request)
        ticket = seen(object_id, user)
        text = TicketPage(ticket, user).comparison_report()
        if text is None:
            raise Http404("This ticket compares nothing.")
        return HttpResponse(
            text,
            content_type="text/markdown; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{ticket.label}-comparison.md"',
                "Cache-Control": "no-store",
                # Should a browser show it all the same, nothing in it runs or loads.
                "Content-Security-Policy": "default-src 'none'; sandbox",
            },
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the ticket's page: its story is the history."""
        ticket = seen(unquote(object_id), person_of(request))
        return HttpResponseRedirect(f"{address_of(ticket)}#story")

    def _act(self, request: HttpRequest, ticket: Ticket, user: User) -> HttpResponse:
        act = request.POST.get("act", "")
        acts: dict[str, Callable[[], object]] = {
            "claim": lambda: assignments.claim_ticket(ticket_id=ticket.pk, person=user),
            "skip": lambda: skip_ticket(ticket_id=ticket.pk, person=user),
            "release": lambda: assignments.release_ticket(ticket_id=ticket.pk, person=user),
            "take-back": lambda: withdraw_vote(ticket_id=ticket.pk, voter=user),
            "revoke": lambda: revoke_ticket(
                ticket_id=ticket.pk, by=user, reason=reason_of(request)
            ),
            "request-review": lambda: request_review(
                ticket_id=ticket.pk, by=user, reason=reason_of(request)
            )[0],
            "remark": lambda: add_comment(
                ticket_id=ticket.pk, author=user, text=remark_of(request)
            ),
            **acts_around(request, ticket, user),
        }
        if act == "vote":
            return self._vote(request, ticket, user)
        quietly = request.headers.get("X-Desk") == "1"
        try:
            if act not in acts:
                raise Invalid(UNKNOWN_ACT)
            done = acts[act]()
        except Refusal as refusal:
            if quietly:
                return HttpResponse(refusal.detail, content_type="text/plain", status=200)
            return self._refused(request, ticket, user, refusal)
        if quietly and act == "claim":
            until = moments.clock(done.until, now=done.until)  # type: ignore[attr-defined]
            return HttpResponse(f"You hold this until {until}.", content_type="text/plain")
        if act == "skip":
            return SeeOther(onward(ticket, user))
        if isinstance(done, Ticket) and done.second_look:
            return SeeOther(address_of(done))
        if isinstance(done, Sent):
            return SeeOther(f"{address_of(ticket)}?sent={done.people}")
        return SeeOther(address_of(ticket))

    def _vote(self, request: HttpRequest, ticket: Ticket, user: User) -> HttpResponse:
        typed = typed_of(request)
        page = TicketPage(ticket, user, typed)
        try:
            version = version_of(request)
            if version != ticket.version:
                raise TicketChanged(version=ticket.version)
            answer = answer_of(page.card, typed, page.content)
            proof = proof_sent(request, user)
            cast_vote(ticket_id=ticket.pk, voter=user, version=version, confirmed=proof, **answer)
        except Refusal as refusal:
            return self._refused(request, ticket, user, refusal, typed)
        if user.preferences.get("advance"):
            return SeeOther(onward(ticket, user, done=True))
        return SeeOther(f"{address_of(ticket)}#decision")

    def _refused(
        self,
        request: HttpRequest,
        ticket: Ticket,
        user: User,
        refusal: Refusal,
        typed: Typed | None = None,
    ) -> HttpResponse:
        """Show the page as it now stands, the refusal as a sentence, and all that was typed."""
        ticket = seen(str(ticket.pk), user)
        page = TicketPage(ticket, user, typed)
        banner = refusal.detail
        if typed is not None:
            banner = page.card.blame(typed.choice, refusal)
        context = page.context(banner=banner, stale=isinstance(refusal, TicketChanged))
        context["around"] = around(page)
        context["asks_for"] = asked_of(request, user, ticket)
        context["state"] = state_of(ticket)
        return desk_page(request, "ticket.html", context, status=refusal.status)


def asked_of(request: HttpRequest, user: User, ticket: Ticket) -> str:
    """Return what this person confirms a vote here with, `password` or `code`; nothing if not."""
    lately: Confirmed = "lately" if confirmed_lately(request, user) else ""
    safeguards = safeguards_of(published(ticket.decision.policy_id))
    must = must_confirm(safeguards, risk=ticket.risk, confirmed=lately)
    return asks_for(user) if must else ""


def seen(identifier: str, user: User) -> Ticket:
    """Return a ticket this person may see.

    :raises Http404: where there is none, or none of theirs to see.
    """
    try:
        return find_ticket(identifier, user=user)
    except NotVisible as problem:
        raise Http404(problem.detail) from problem


def address_of(ticket: Ticket) -> str:
    """Return the path of a ticket's page."""
    return reverse("admin:reviews_ticket_change", args=[ticket.pk])
