"""C11: the same call under one `Idempotency-Key`, many times at once: done once, answered alike."""

import json
import random
from collections import Counter, defaultdict
from typing import Any

from approvals.models import AccessKey
from reviews.models import IdempotentCall, Ticket
from reviews.services.idempotency import Reply, once
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket
from tests.prove import switches, web
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

BUSY = {"busy", "idempotency-in-flight"}


def open_again_and_again(hand: Hand) -> None:
    """Send the same call under each key at the same instant as everybody else."""
    given = hand.parcel
    client = web.Client(given["url"], given["token"])
    for key in given["keys"]:
        hand.meet()
        headers = {} if "idempotency-key" in switches.off() else {"Idempotency_Key": key}
        body = {"checkpoint": given["checkpoint"], "title": "Once", "proposal": {"key": key}}
        for _ in range(30):
            status, answer, told = client.call("POST", "/api/v1/tickets", body, **headers)
            code = answer.get("code", "") if isinstance(answer, dict) else "no JSON"
            if code not in BUSY:
                break
            hand.note(key=key, code=code, status=0)
        replayed = told.get("idempotent-replayed") == "true"
        hand.note(
            key=key, code=code, status=status, replayed=replayed, ticket=_id(answer), said=answer
        )
    client.close()


def _id(answer: Any) -> str:
    return str(answer.get("id", "")) if isinstance(answer, dict) else ""


def race(scene: Scene, *, callers: int, keys: int) -> Figure:
    people = cast(voters=0)
    dice = random.Random(scene.seed)
    names = [f"{dice.getrandbits(64):016x}-{n}" for n in range(keys)]
    with scene.served() as url:
        ledger = scene.crew(
            open_again_and_again,
            hands=callers,
            parcel={
                "url": url,
                "token": people.token,
                "checkpoint": people.checkpoint,
                "keys": names,
            },
        )
        client = web.Client(url, people.token)
        others = Counter(
            client.call("POST", "/api/v1/tickets", {"title": "Other"}, Idempotency_Key=name)[0]
            for name in names
        )
        client.close()
    answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in ledger:
        if line["status"]:
            answers[line["key"]].append(line)
    opened = Ticket.objects.filter(requester=people.key.user, title="Once").count()
    seen = Counter(f"{line['status']} {line['code']}".strip() for line in ledger)
    alike = {
        key: {json.dumps(line["said"], sort_keys=True) for line in lines if line["status"] == 201}
        for key, lines in answers.items()
    }
    return figure(
        f"{callers} parallel calls × {keys} keys over HTTP",
        details={"answers": dict(seen), "tickets": opened, "another_body": dict(others)},
        tickets_too_many=max(0, opened - keys),
        tickets_missing=max(0, keys - opened),
        answers_that_differ=sum(len(said) != 1 for said in alike.values()),
        calls_refused=sum(line["status"] != 201 for lines in answers.values() for line in lines),
        done_more_than_once=sum(
            sum(not line["replayed"] for line in lines) != 1 for lines in answers.values()
        ),
        other_bodies_not_refused=sum(n for status, n in others.items() if status != 422),
    )


def open_once_by_service(hand: Hand) -> None:
    """Do the same through the service itself, without HTTP between."""
    given = hand.parcel
    key = AccessKey.objects.select_related("user", "owner").get(pk=given["key"])
    request = TicketRequest(checkpoint=given["checkpoint"], title="Once", proposal={"a": 1})

    def do() -> Reply:
        return Reply(201, str(open_ticket(requester=key.user, key=key, request=request).pk))

    for name in given["keys"]:
        hand.meet()
        reply, replayed = once(caller=key.user, key=name, fingerprint="f" * 64, do=do)
        hand.note(key=name, ticket=reply.body, replayed=replayed)


def by_service(scene: Scene, *, callers: int, keys: int) -> Figure:
    """Return the same race without HTTP: small, for the tests."""
    people = cast(voters=0)
    names = [f"key-{scene.seed}-{n}" for n in range(keys)]
    ledger = scene.crew(
        open_once_by_service,
        hands=callers,
        parcel={"key": people.key.pk, "checkpoint": people.checkpoint, "keys": names},
    )
    told = {name: {line["ticket"] for line in ledger if line["key"] == name} for name in names}
    return figure(
        f"{callers} parallel calls × {keys} keys",
        tickets_too_many=Ticket.objects.filter(title="Once").count() - keys,
        keys_with_two_answers=sum(len(tickets) != 1 for tickets in told.values()),
        keys_done_twice=sum(
            sum(not line["replayed"] for line in ledger if line["key"] == name) != 1
            for name in names
        ),
        rows_missing=keys - IdempotentCall.objects.count(),
    )


def run(scene: Scene) -> Figure:
    return race(scene, callers=scene.size(50, least=6), keys=scene.size(100, least=4))


def control(scene: Scene) -> Figure:
    scene.switch_off("idempotency-key")
    return race(scene, callers=scene.size(50, least=6), keys=scene.size(5, least=3))


ROW = Row("C11", "One idempotency key, one effect, one answer", run, control)
