"""D7: policies are published, rewritten and removed while people vote: the frozen one decides."""

import itertools
import json
from collections import Counter
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import ProtectedError

from approvals import permissions
from approvals.models import ApprovalPolicy, PolicyStage, User
from approvals.presets import PRESETS
from approvals.services.policies import publish_policy
from audit.clock import db_now
from reviews.models import Checkpoint
from tests.prove import ballots, switches
from tests.prove.cast import Cast, cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

NEEDED, VOTERS = 3, 3


def weaker() -> dict[str, Any]:
    """Return a question that one vote decides."""
    stage = PRESETS["review"]["stages"][0]
    need = {"role": "reviewer", "count": 1, "people": []}
    return {**PRESETS["review"], "stages": [{**stage, "needs": [need], "rejections": 1}]}


def vote_or_loosen(hand: Hand) -> None:
    """Loosen the policy in every way there is (hand 0), while the others vote."""
    if hand.number == 0:
        ways = itertools.cycle(WAYS)
        for _ in hand.parcel["tickets"]:
            hand.meet()
            way = next(ways)
            hand.note(code=f"{way.__name__}: {'done' if way(hand.parcel) else 'refused'}")
        return
    voter = User.objects.get(pk=hand.parcel["voters"][hand.number - 1])
    for ticket in hand.parcel["tickets"]:
        hand.meet()
        ballots.vote(hand, ticket=ticket, voter=voter, choice="approve")


def publish(given: dict[str, Any]) -> bool:
    """Publish a weaker version and let the checkpoint ask it; existing tickets must not care."""
    checkpoint = Checkpoint.objects.get(slug=given["checkpoint"])
    slug = checkpoint.slug
    checkpoint.question = publish_policy(
        slug=slug, name="Weaker", question=weaker(), by=None, now=db_now()
    )
    checkpoint.save(update_fields=["question"])
    return True


def rewrite(given: dict[str, Any]) -> bool:
    """Write into the published stage, past every service."""
    return _by_sql(
        "UPDATE approvals_policystage SET needs = %s, rejections = %s WHERE policy_id = %s",
        [json.dumps(weaker()["stages"][0]["needs"]), "1", _stored(given["policy"])],
    )


def rewrite_decisions(given: dict[str, Any]) -> bool:
    """Write into the questions that were frozen."""
    return _by_sql(
        "UPDATE approvals_decision SET question = %s WHERE policy_id = %s",
        [json.dumps(weaker()), _stored(given["policy"])],
    )


def remove(given: dict[str, Any]) -> bool:
    """Delete the policy's stages, then the policy."""
    gone = False
    for model, of in ((PolicyStage, "policy_id"), (ApprovalPolicy, "id")):
        with suppress(ProtectedError, DatabaseError), transaction.atomic():
            gone |= model._default_manager.filter(**{of: given["policy"]}).delete()[0] > 0
    return gone


WAYS = (publish, rewrite, rewrite_decisions, remove)


def _by_sql(statement: str, given: list[Any]) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, given)
            return cursor.rowcount > 0
    except DatabaseError:
        return False


def _stored(value: UUID) -> Any:
    return value if connection.features.has_native_uuid_field else value.hex


def race(scene: Scene, *, tickets: int) -> Figure:
    people = cast(voters=VOTERS, needed=NEEDED)
    policy = Checkpoint.objects.get(slug=people.checkpoint).question_id
    ids = people.open_many(tickets)
    ledger = scene.crew(
        vote_or_loosen,
        hands=VOTERS + 1,
        parcel={
            "checkpoint": people.checkpoint,
            "policy": policy,
            "voters": [p.pk for p in people.voters],
            "tickets": ids,
        },
    )
    status = ballots.standing(ids)
    taken = Counter(line["ticket"] for line in ledger if line["code"] == "taken")
    return figure(
        f"{tickets} tickets of {NEEDED} votes while their policy is loosened in {len(WAYS)} ways",
        details={"answers": ballots.codes(ledger), "statuses": dict(Counter(status.values()))},
        decided_under_a_weaker_rule=sum(status[t] != "pending" and taken[t] < NEEDED for t in ids),
        undecided=sum(status[t] == "pending" for t in ids),
        policies_rewritten=sum(
            line["code"] in {f"{way.__name__}: done" for way in WAYS[1:]} for line in ledger
        ),
    )


def without_a_policy_that_holds(people: Cast) -> dict[str, int]:
    """Return what goes wrong where a role loses its grant, and where a question cannot be read."""
    checkpoint = Checkpoint.objects.select_related("question").get(slug=people.checkpoint)
    (ticket,) = people.open_many(1)
    for role in people.voters[0].groups.all():
        permissions.revoke_votes(role=role, policy_slug=checkpoint.question.slug)
    hand = Hand(0, None, None)  # type: ignore[arg-type]
    refused = ballots.vote(hand, ticket=ticket, voter=people.voters[0], choice="approve")["code"]
    return {
        "votes_after_the_role_was_removed": int(refused == "taken"),
        "passed_after_the_role_was_removed": int(ballots.standing([ticket])[ticket] != "pending"),
    }


def run(scene: Scene) -> Figure:
    found = race(scene, tickets=scene.size(200, least=6))
    more = without_a_policy_that_holds(cast(voters=1))
    told = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in more.items())
    return Figure(
        found.broken + sum(more.values()), f"{found.sentence}, {told}", found.ran, found.details
    )


def control(scene: Scene) -> Figure:
    """Read the question where it is edited, instead of where it was frozen."""
    scene.switch_off("frozen-question")
    switches.drop_triggers("decision_frozen", "stage_update", "policy_update")
    return race(scene, tickets=scene.size(40, least=6))


ROW = Row("D7", "The question that was asked is the one that decides", run, control)
