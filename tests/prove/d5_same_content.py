"""D5: an editor changes the content while people vote: a vote counts only for what it saw."""

from collections import Counter
from uuid import UUID

from approvals.errors import AlreadyDecided, Busy, Refusal
from approvals.models import AccessKey, Decision, User
from reviews.services.tickets import resubmit_ticket
from reviews.services.votes import cast_vote
from tests.prove import ballots, switches, web
from tests.prove.cast import Cast, cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

NEEDED, VOTERS = 2, 3


def vote_or_edit(hand: Hand) -> None:
    """Edit every ticket (hand 0), or vote on it as first seen; refused as stale, look again."""
    key = AccessKey.objects.select_related("user", "owner").get(pk=hand.parcel["key"])
    careless = "version-check" in switches.off()
    voter = User.objects.get(pk=hand.parcel["voters"][hand.number - 1])
    for ticket in hand.parcel["tickets"]:
        hand.meet()
        if hand.number == 0:
            _edit(hand, ticket, key)
            continue
        first = ballots.AnyVersion(1) if careless else 1
        if (
            ballots.vote(hand, ticket=ticket, voter=voter, choice="approve", version=first)["code"]
            == "ticket-changed"
        ):
            ballots.vote(hand, ticket=ticket, voter=voter, choice="approve", version=2)


def _edit(hand: Hand, ticket: UUID, key: AccessKey) -> None:
    while True:
        try:
            edited = resubmit_ticket(ticket_id=ticket, requester=key.user, proposal={"amount": -1})
        except Busy:
            continue
        except AlreadyDecided:
            hand.note(code="too-late", ticket=ticket)
        else:
            digest = edited.decision.digest
            hand.note(code="edited", ticket=ticket, version=edited.version, shown=digest)
        return


def race(scene: Scene, *, rounds: int) -> Figure:
    people = cast(voters=VOTERS, needed=NEEDED)
    ids = people.open_many(rounds)
    opened = Decision.objects.filter(subject__in=ids).values_list("subject", "digest")
    shown = {(ticket, 1): digest for ticket, digest in opened}
    ledger = scene.crew(
        vote_or_edit,
        hands=VOTERS + 1,
        parcel={
            "key": people.key.pk,
            "voters": [p.pk for p in people.voters],
            "tickets": ids,
        },
    )
    for line in ledger:
        if line["code"] == "edited":
            shown[line["ticket"], line["version"]] = line["shown"]
    saw = {
        line["vote"]: shown[line["ticket"], line["version"]]
        for line in ledger
        if line["code"] == "taken"
    }
    settled = Decision.objects.filter(subject__in=ids, settled_at__isnull=False)
    elsewhere = sum(
        any(saw[vote.pk] != decision.digest for vote in decision.votes.all())
        for decision in settled.prefetch_related("votes")
    )
    status = ballots.standing(ids)
    return figure(
        f"{rounds} races of one editor and {VOTERS} voters",
        details={"answers": ballots.codes(ledger), "statuses": dict(Counter(status.values()))},
        decisions_on_other_content=elsewhere,
        undecided=sum(status[t] != "approved" for t in ids),
    )


def without_or_stale(people: Cast) -> dict[str, int]:
    """Return how often a vote without a version, or with an old one, was not refused as such."""
    ticket = people.open()
    resubmit_ticket(ticket_id=ticket.pk, requester=people.key.user, proposal={"amount": 2})
    answers = {}
    for name, version in (("version-required", None), ("ticket-changed", 1)):
        try:
            cast_vote(
                ticket_id=ticket.pk, voter=people.voters[0], choice="approve", version=version
            )
            answers[name] = ""
        except Refusal as refusal:
            answers[name] = refusal.code
    return {
        "taken_without_version": answers["version-required"] != "version-required",
        "taken_stale": answers["ticket-changed"] != "ticket-changed",
    }


def over_http(scene: Scene) -> dict[str, int]:
    """Return how often, over HTTP, a vote without a version is not 428, or a stale one not 412."""
    people = cast(voters=1)
    ticket = people.open()
    resubmit_ticket(ticket_id=ticket.pk, requester=people.key.user, proposal={"amount": 2})
    address = f"/api/v1/tickets/{ticket.pk}/votes"
    tries: list[tuple[int, dict[str, int], dict[str, str]]] = [
        (428, {}, {}),
        (412, {"version": 1}, {}),
        (412, {}, {"If_Match": '"1"'}),
        (412, {}, {"If_Match": "*"}),
        (412, {"version": 3}, {}),
    ]
    with scene.served() as url:
        client = web.Client(url, web.token_of(people.voters[0]))
        wrong = sum(
            client.call("POST", address, {"choice": "approve", **body}, **headers)[0] != expected
            for expected, body, headers in tries
        )
        right = client.call("POST", address, {"choice": "approve", "version": 2})[0]
        client.close()
    return {"wrong_answers_over_HTTP": wrong, "right_votes_refused_over_HTTP": int(right != 201)}


def run(scene: Scene) -> Figure:
    found = race(scene, rounds=scene.size(500, least=8))
    more = without_or_stale(cast(voters=1))
    if scene.processes:
        more |= over_http(scene)
    return Figure(
        found.broken + sum(more.values()),
        ", ".join(
            [found.sentence, *(f"{int(n)} {name.replace('_', ' ')}" for name, n in more.items())]
        ),
        found.ran,
        found.details,
    )


def control(scene: Scene) -> Figure:
    scene.switch_off("version-check")
    switches.drop_triggers("vote_on_open_question")
    return race(scene, rounds=scene.size(200, least=40))


ROW = Row("D5", "A vote counts only for the content it saw", run, control)
