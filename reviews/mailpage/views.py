"""Open a link, look at its page, decide on it. Only POST ever changes anything."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.views import View

from approvals.api.throttles import MINUTE
from approvals.confirmation import confirmed_lately
from approvals.errors import Invalid, Refusal, SignInNeeded, TooMany
from approvals.models import DecisionLink, User
from approvals.safeguards import Confirmed
from approvals.services.links import find_link, read_link
from audit.context import acting
from reviews.admin.choices import Typed
from reviews.admin.pages import SeeOther
from reviews.admin.sent import answer_of, proof_sent, typed_of
from reviews.display.moments import zone_of
from reviews.mailpage import passes
from reviews.mailpage.page import REFUSALS, MailPage
from reviews.services.mail_links import request_fresh_link, vote_by_link

# Wrong links one address may try in a minute before it is told to wait. A right one always opens:
# behind a proxy many people share an address, and nobody guesses 256 bits anyway.
MOST_WRONG = 20
MOST_FRESH = 2
POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Quiet(View):
    """A page no cache keeps, no search engine finds, and whose address goes nowhere else."""

    referrer = "no-referrer"

    def dispatch(self, request: HttpRequest, *args: Any, **given: Any) -> HttpResponse:
        response: HttpResponse = super().dispatch(request, *args, **given)  # type: ignore[assignment]
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = self.referrer
        response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        response.headers["Content-Security-Policy"] = POLICY
        return response


class OpenLink(Quiet):
    """The address in the mail: trade the token for a cookie and lead on; nothing is written."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        link = find_link(token)
        if link is None:
            return unknown(request)
        response = SeeOther(passes.page_of(link.pk))
        passes.give(response, link)
        return response


class LinkPage(Quiet):
    """The decision card of one link."""

    http_method_names = ["get", "head", "options", "post"]
    # This address holds no secret. With `no-referrer` browsers would send `Origin: null` when the
    # form is posted, and the check against forged requests could not tell it from a foreign one.
    referrer = "same-origin"

    def get(self, request: HttpRequest, link_id: Any) -> HttpResponse:
        link = self._link(request, link_id)
        if link is None:
            return unknown(request)
        return shown(request, page_for(request, link))

    def post(self, request: HttpRequest, link_id: Any) -> HttpResponse:
        link = self._link(request, link_id)
        if link is None:
            return unknown(request)
        with acting(link.person):
            if request.POST.get("act") == "fresh":
                return self._fresh(request, link)
            return self._vote(request, link)

    @staticmethod
    def _link(request: HttpRequest, link_id: Any) -> DecisionLink | None:
        link = read_link(link_id)
        return link if link is not None and passes.holds(request, link) else None

    def _vote(self, request: HttpRequest, link: DecisionLink) -> HttpResponse:
        typed = typed_of(request)
        page = page_for(request, link, typed=typed)
        try:
            if page.state != "open":
                raise REFUSALS[page.state]
            assert page.seen is not None
            if page.seen.card.choice(typed.choice) is None:
                raise Invalid("Choose an answer first.")
            answer = answer_of(page.seen.card, typed, page.seen.content)
            person = page.signed_in
            proof = proof_sent(request, person) if person else ""
            vote_by_link(link=link, signed_in=person, confirmed=proof, **answer)
        except SignInNeeded:
            return SeeOther(sign_in_address(link))
        except Refusal as refusal:
            return self._refused(request, link, page, typed, refusal)
        return SeeOther(passes.page_of(link.pk))

    def _refused(
        self,
        request: HttpRequest,
        link: DecisionLink,
        page: MailPage,
        typed: Typed,
        refusal: Refusal,
    ) -> HttpResponse:
        """Show the page as it now stands, the refusal as a sentence, and all that was typed."""
        fresh = read_link(link.pk)
        now = page_for(request, fresh or link, typed=typed)
        banner = ""
        if now.state == "open" and now.seen is not None:
            # The forms of the page that was sent know what was typed wrong in them.
            now.seen = page.seen or now.seen
            banner = now.seen.card.blame(typed.choice, refusal)
        return shown(request, now, banner=banner, status=refusal.status)

    def _fresh(self, request: HttpRequest, link: DecisionLink) -> HttpResponse:
        page = page_for(request, link)
        try:
            if not page.may_ask_again:
                raise REFUSALS.get(page.state, Invalid)
            if MINUTE.count(f"fresh-link:{link.person_id}") > MOST_FRESH:
                raise TooMany("A fresh link was sent just now; look into your mail.")
            request_fresh_link(link=link)
        except Refusal as refusal:
            again = page_for(request, link)
            return shown(request, again, banner=refusal.detail, status=refusal.status)
        return shown(request, page, sent=True)


def shown(
    request: HttpRequest, page: MailPage, *, banner: str = "", sent: bool = False, status: int = 200
) -> HttpResponse:
    """Answer with a link's page, times in its person's zone."""
    with timezone.override(zone_of(page.person.time_zone)):
        context = page.context(banner=banner, sent=sent)
        context["sign_in"] = sign_in_address(page.link)
        response = render(request, "decide/page.html", context, status=status)
    if status == TooMany.status:
        response.headers["Retry-After"] = str(MINUTE.window)
    return response


def unknown(request: HttpRequest) -> HttpResponse:
    """Answer every wrong link alike, and ever fewer of them from one address."""
    wrong = MINUTE.count(f"wrong-link:{request.META.get('REMOTE_ADDR', '')}")
    status = TooMany.status if wrong > MOST_WRONG else 404
    response = render(request, "decide/unknown.html", status=status)
    if status == TooMany.status:
        response.headers["Retry-After"] = str(MINUTE.left())
    return response


def signed_in(request: HttpRequest) -> User | None:
    """Return the person signed in at the desk in this browser, or None."""
    return request.user if isinstance(request.user, User) and request.user.is_active else None


def sign_in_address(link: DecisionLink) -> str:
    """Return where to sign in and come back from."""
    return f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': passes.page_of(link.pk)})}"


def page_for(request: HttpRequest, link: DecisionLink, *, typed: Typed | None = None) -> MailPage:
    """Return a link's page as this browser sees it."""
    person = signed_in(request)
    lately: Confirmed = "lately" if person and confirmed_lately(request, person) else ""
    return MailPage(link, signed_in=person, confirmed=lately, typed=typed)
