"""C13: another language believes our webhooks, and no altered, forged or old one.

Those of a shared secret (v1) are verified by standardwebhooks of npm, which knows no key pairs;
those of a pair (v1a) by the Ed25519 of node itself.
"""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit.clock import db_now
from audit.services import Draft
from reviews import outbox
from reviews.channels.webhook import signed_headers
from reviews.models import Delivery, WebhookEndpoint
from reviews.services.deliveries import dispatch_due
from reviews.services.endpoints import create_endpoint, rotate_secret
from reviews.signatures import PAIR, SHARED, new_secret, public_key_of
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
# The published vector of the asymmetric scheme.
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="
PAIR_BODY = b'{"test": 2432232314}'
PAIR_ID, PAIR_AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, tz=UTC)
PAIR_SIGNED = (
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)
SCRIPTS = {SHARED: "webhooks.mjs", PAIR: "webhooks_v1a.mjs"}
TEXTS = ("ACME", "Ünïcøde 🜚", "\u202epal\u200b", "a\nb\tc", "</script>", '"\\', "١٢٣", "")

Message = dict[str, Any]
Found = tuple[str, dict[str, int]]


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
        said, _, signature = headers["webhook-signature"].partition(",")
        headers["webhook-signature"] = f"{said.replace('1', '2')},{signature}"
    return {"headers": headers, "body": body}


def held(secret: str) -> str:
    """Return what a receiver holds of a secret."""
    return public_key_of(secret) or secret


def compare(
    scene: Scene, place: Path, signing: str, *, messages: int, overlap: bool = True
) -> Found:
    """Return how many messages of each kind were judged wrongly, and what ran."""
    people = cast(voters=1, listening=False)
    with receiving() as receiver:
        endpoint = create_endpoint(
            name="Ledger", url=receiver.url, signing=signing, by=people.owner
        )
        old = held(endpoint.secret)
        before = let_leave(endpoint, receiver, messages // 2)
        endpoint = rotate_secret(endpoint_id=endpoint.pk, by=people.owner)
        if not overlap:
            WebhookEndpoint.objects.update(previous_secret="")
        after = let_leave(endpoint, receiver, messages - messages // 2)
    new = held(endpoint.secret)
    came = [*before, *after]
    first = [{"secret": old, **one} for one in came]
    second = [{"secret": new, **one} for one in after]
    spoilt = [
        {"secret": new if number >= len(before) else old, **altered(scene, one, came[number - 1])}
        for number, one in enumerate(came)
    ]
    stranger = [{"secret": held(new_secret(signing)), **one} for one in came[:50]]
    ago = db_now() - timedelta(minutes=6)
    stale = signed_headers(BODY, message_id="late", at=ago, secrets=[endpoint.secret])
    # Whoever knows a public key could sign with it as if it were a shared secret.
    shared = new.replace("whpk_", "whsec_") if signing == PAIR else new_secret()
    forged = signed_headers(BODY, message_id="forged", at=db_now(), secrets=[shared])
    renamed = {"webhook-signature": forged["webhook-signature"].replace("v1,", f"{signing},")}
    spoilt += [
        *stranger,
        *(
            {"secret": new, "headers": headers, "body": BODY.decode()}
            for headers in (stale, forged, {**forged, **renamed})
        ),
    ]
    by_old, by_new = (
        answers_of(place, SCRIPTS[signing], first),
        answers_of(place, SCRIPTS[signing], second),
    )
    believed = answers_of(place, SCRIPTS[signing], spoilt)
    return f"{len(came)} of {signing}, {len(spoilt)} altered", {
        "never_came": messages - len(came),
        "genuine_refused": by_old[: len(before)].count(False) + by_new.count(False),
        "refused_in_rotation": by_old[len(before) :].count(False),
        "altered_believed": believed.count(True),
    }


def both(scene: Scene, *, messages: int, overlap: bool = True) -> Figure:
    place = installed(scene.folder)
    ran, broken = zip(
        *(
            compare(scene, place, signing, messages=messages, overlap=overlap)
            for signing in SCRIPTS
        ),
        strict=True,
    )
    vectors = [
        (signed_headers(BODY, message_id=ID, at=AT, secrets=[SECRET]), SIGNED),
        (
            signed_headers(PAIR_BODY, message_id=PAIR_ID, at=PAIR_AT, secrets=[PRIVATE]),
            PAIR_SIGNED,
        ),
    ]
    return figure(
        f"node, a rotation of each: {'; '.join(ran)}",
        vectors_differ=sum(one["webhook-signature"] != known for one, known in vectors),
        **{name: sum(one[name] for one in broken) for name in broken[0]},
    )


def run(scene: Scene) -> Figure:
    return both(scene, messages=scene.size(2000, least=60))


def control(scene: Scene) -> Figure:
    """Rotate without letting the secret before sign for a while."""
    return both(scene, messages=40, overlap=False)


ROW = Row("C13", "Webhooks verify elsewhere, forged ones nowhere, also while secrets rotate",
          run, control)  # fmt: skip
