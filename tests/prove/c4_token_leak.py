"""C4: the token of a link stands in the mail, and nowhere else that is kept or sent."""

import io
import json
import logging
import os
import re
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives

from approvals.models import User
from hitl_project.logs import line
from reviews.models import Delivery
from reviews.services.deliveries import deliver_again, dispatch_due
from tests.prove import web
from tests.prove.cast import Cast, cast
from tests.prove.letters import Reader, whole_database
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

TOKEN = re.compile(r"/a/([A-Za-z0-9_-]{43})\b")


def tokens_mailed(people: Cast, count: int) -> list[tuple[str, str]]:
    """Let mails about so many tickets leave, some of them after failures; return (to, token)."""
    people.open_many(count)
    sending = EmailMultiAlternatives.send
    failing = iter(range(10**6))

    def sometimes(self: Any, fail_silently: bool = False) -> int:
        if next(failing) % 5 == 0:
            raise ConnectionError(f"the server said: {self.body}")  # a server may quote the mail
        return sending(self, fail_silently)

    EmailMultiAlternatives.send = sometimes  # type: ignore[method-assign]
    try:
        dispatch_due()
    finally:
        EmailMultiAlternatives.send = sending  # type: ignore[method-assign]
    for row in Delivery.objects.filter(channel="email", state="waiting")[:count]:
        Delivery.objects.filter(pk=row.pk).update(state="parked")
        deliver_again(delivery_id=row.pk, by=people.owner)
    dispatch_due()
    mails = [message for message in mail.outbox if TOKEN.search(str(message.body))]
    return [(message.to[0], TOKEN.search(str(message.body))[1]) for message in mails]  # type: ignore[index]


def canaries(scene: Scene) -> Figure:
    settings.MAIL_NOTICES = True
    mail.outbox = []
    written = io.StringIO()
    watching = logging.StreamHandler(written)
    watching.setFormatter(line("json"))
    root = logging.getLogger()
    for printing in root.handlers:
        printing.setLevel(logging.ERROR)
    root.setLevel(logging.DEBUG)
    root.addHandler(watching)
    os.environ["PROVE_LOG"] = "DEBUG"
    people = cast(voters=3)
    mailed = tokens_mailed(people, scene.size(100, least=6))
    shown: list[str] = []
    with scene.served() as url:
        for number, (_, token) in enumerate(mailed):
            reader = Reader(url, Referer=f"{url}/a/{token}")
            reader.open(token)
            _, page = reader.call("GET", reader.page)
            shown += [str(page), reader.page, str(reader.cookies)]
            if number % 3 == 0:
                reader.confirm(choice="approve")
            elif number % 3 == 1:
                reader.confirm(choice="\x00")
            reader.call("GET", f"/a/{token}x")
            reader.call("POST", f"/a/{token}", b"choice=approve")
            reader.close()
        owner = web.Client(url, people.token)
        manager = people.voters[0]
        User.objects.filter(pk=manager.pk).update(is_staff=True, is_superuser=True)
        desk = web.Client(url, **web.session_of(manager))
        for client, path in (
            (owner, "/api/v1/tickets"),
            (desk, "/admin/reviews/delivery/"),
            (desk, "/admin/audit/auditevent/"),
            (desk, "/metrics"),
        ):
            _, answer, headers = client.call("GET", path)
            shown.append(json.dumps([str(answer), headers]))
    logged = written.getvalue() + "".join(
        path.read_text(errors="replace") for path in scene.folder.glob("web-*.log")
    )
    root.removeHandler(watching)
    stored = whole_database()
    tokens = {token for _, token in mailed}
    requests = logged.count("request_finished")

    def hits(text: str) -> int:
        return sum(token in text for token in tokens)

    return figure(
        f"{len(tokens)} tokens, {len(logged) // 1024} KiB of log with {requests} requests, "
        f"{len(stored) // 1024} KiB of rows, {len(shown)} pages",
        tokens_in_logs=hits(logged),
        tokens_in_rows=hits(stored),
        tokens_in_pages=hits("\n".join(shown)),
        nothing_was_logged=int(requests == 0),
        no_token_was_mailed=int(not tokens),
    )


def run(scene: Scene) -> Figure:
    return canaries(scene)


def control(scene: Scene) -> Figure:
    scene.switch_off("redaction")
    scene.scale = min(scene.scale, 0.1)
    return canaries(scene)


ROW = Row("C4", "The token of a link is in the mail and nowhere else", run, control)
