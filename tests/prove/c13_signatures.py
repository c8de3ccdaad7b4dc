"""C13: another language's library believes our webhooks, and no altered, forged or old one."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.clock import db_now
from audit.services import Draft
from reviews import outbox
from reviews.channels.webhook import signed_headers
from reviews.models import Delivery, WebhookEndpoint
from reviews.services.deliveries import dispatch_due
from reviews.services.endpoints import create_endpoint, new_secret, rotate_secret
from tests.prove.a9_other_language import answers_of, installed
from tests.prove.cast import cast
from tests.prove.receiver import Receiver, receiving
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

# The example of the specification, with its answer.
SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
BODY = b'{"event_type":"ping","data":{"success":true}}'
ID, AT = "msg_loFOjxBNrRLzqYUf", datetime.fromtimestamp(1731705121, tz=UTC)
SIGNED = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
TEXTS = ("ACME", "Ünïcøde 🜚", "\u202epal\u200b", "a\nb\tc", "</script>", '"\\', "١٢٣", "")

Message = dict[str, Any]


def let_leave(endpoint: WebhookEndpoint, receiver: Receiver, count: int) -> list[Message]:
    """Send this many messages for real and return what came."""
    now, before = db_now(), len(receiver.messages)
    Delivery.objects.bulk_create(
        outbox.delivery(
            Draft("ticket.decided", now),
            "webhook",
            str(endpoint.pk),
            body={"n": number, "text": TEXTS[number % len(TEXTS)] * (number % 40)},
            endpoint=endpoint,
        )
        for number in range(count)
    )
    dispatch_due(longest=300)
    return [
        {"headers": headers, "body": body.decode()} for headers, body in receiver.messages[before:]
    ]


def altered(scene: Scene, message: Message, other: Message) -> Message:
    """Return the message with one thing about it changed."""
    headers, body = dict(message["headers"]), message["body"]
    kind = scene.rng.randrange(6)
    if kind == 0:
        place = scene.rng.randrange(len(body))
        body = body[:place] + chr(ord(body[place]) ^ 1) + body[place + 1 :]
    elif kind == 1:
        headers["webhook-id"] = other["headers"]["webhook-id"]
    elif kind == 2:
        headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
    elif kind == 3:
        headers["webhook-signature"] = other["headers"]["webhook-signature"]
    elif kind == 4:
        said, _, signature = headers["webhook-signature"].split()[0].partition(",")
        raw = bytearray(base64.b64decode(signature))
        raw[scene.rng.randrange(len(raw))] ^= 1 << scene.rng.randrange(8)
        headers["webhook-signature"] = f"{said},{base64.b64encode(bytes(raw)).decode()}"
    else:
        headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    return {"headers": headers, "body": body}


def compare(scene: Scene, *, messages: int, overlap: bool = True) -> Figure:
    place = installed(scene.folder)
    people = cast(voters=1, listening=False)
    with receiving() as receiver:
        endpoint = create_endpoint(name="Ledger", url=receiver.url, by=people.owner)
        old = endpoint.secret
        before = let_leave(endpoint, receiver, messages // 2)
        endpoint = rotate_secret(endpoint_id=endpoint.pk, by=people.owner)
        if not overlap:
            WebhookEndpoint.objects.update(previous_secret="")
        after = let_leave(endpoint, receiver, messages - messages // 2)
    new = endpoint.secret
    came = [*before, *after]
    first = [{"secret": old, **one} for one in came]
    second = [{"secret": new, **one} for one in after]
    spoilt = [
        {"secret": new if place >= len(before) else old, **altered(scene, one, came[place - 1])}
        for place, one in enumerate(came)
    ]
    stranger = [{"secret": new_secret(), **one} for one in came[:50]]
    ago = db_now() - timedelta(minutes=6)
    stale = signed_headers(BODY, message_id="late", at=ago, secrets=[new])
    spoilt += [*stranger, {"secret": new, "headers": stale, "body": BODY.decode()}]
    by_old, by_new = (
        answers_of(place, "webhooks.mjs", first),
        answers_of(place, "webhooks.mjs", second),
    )
    believed = answers_of(place, "webhooks.mjs", spoilt)
    vector = signed_headers(BODY, message_id=ID, at=AT, secrets=[SECRET])
    return figure(
        f"standardwebhooks (npm): {len(came)} messages, a rotation, {len(spoilt)} altered",
        never_came=messages - len(came),
        genuine_refused=by_old[: len(before)].count(False) + by_new.count(False),
        refused_in_rotation=by_old[len(before) :].count(False),
        altered_believed=believed.count(True),
        vector_differs=int(vector["webhook-signature"] != SIGNED),
    )


def run(scene: Scene) -> Figure:
    return compare(scene, messages=scene.size(2000, least=60))


def control(scene: Scene) -> Figure:
    """Rotate without letting the secret before sign for a while."""
    return compare(scene, messages=40, overlap=False)


ROW = Row("C13", "Webhooks verify elsewhere, forged ones nowhere, also while secrets rotate",
          run, control)  # fmt: skip
