"""D10: no key of a machine votes or works a queue, whatever its scopes and whichever the door."""

from collections import Counter
from contextlib import nullcontext
from typing import Any

from approvals.errors import Invalid, Refusal
from approvals.models import AccessKey, User, Vote
from approvals.services.keys import SERVICE_SCOPES, create_key
from audit.clock import db_now
from reviews.models import Assignment, Ticket
from reviews.services.assignments import claim_next, claim_ticket
from reviews.services.tickets import revoke_ticket
from reviews.services.votes import cast_vote, withdraw_vote
from tests.prove import doors, switches, web
from tests.prove.cast import Cast, cast
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

# Every set of scopes a service key can carry, and one that only a mistake could give it.
SCOPES: list[list[str]] = [
    [],
    *([str(scope)] for scope in SERVICE_SCOPES),
    [str(scope) for scope in SERVICE_SCOPES],
    [str(scope) for scope in AccessKey.Scope],
]


def routes(pending: Ticket, decided: Ticket) -> list[tuple[str, str, Any]]:
    """Return every vote-like call: method, path, body."""
    one = f"/api/v1/tickets/{pending.pk}"
    return [
        ("POST", f"{one}/votes", {"choice": "approve", "version": 1}),
        ("DELETE", f"{one}/votes/mine", None),
        ("POST", f"{one}/claim", {}),
        ("POST", f"{one}/release", {}),
        ("POST", f"{one}/assign", {"person": "x"}),
        ("POST", f"{one}/skip", {}),
        ("POST", f"{one}/escalate", {}),
        ("POST", f"{one}/comments", {"text": "fine"}),
        ("POST", "/api/v1/queues/general/next", {}),
        ("POST", f"/api/v1/tickets/{decided.pk}/revoke", {"reason": "no"}),
        ("POST", "/api/v1/tickets/bulk-votes", {"votes": [{"id": str(pending.pk), "version": 1}]}),
        (
            "POST",
            "/hitl/respond",
            {"interaction_id": str(pending.pk), "user_input": {"decision": "approve"}},
        ),
        ("POST", "/hms-api/v1/hitl/override", {"id": str(pending.pk), "decision": "approve"}),
        ("POST", "/interface/hitl/override", {"id": str(pending.pk), "decision": "approve"}),
    ]


def tickets(people: Cast) -> tuple[Ticket, Ticket]:
    """Return one ticket that waits and one that was just approved, both of the cast's key."""
    decided = people.open()
    cast_vote(ticket_id=decided.pk, voter=people.voters[0], choice="approve", version=1)
    return people.open(), decided


def over_http(url: str, people: Cast, tokens: dict[str, str]) -> tuple[int, int, Counter[str]]:
    """Call every route with every token; return (accepted, tried, answers)."""
    accepted = tried = 0
    answers: Counter[str] = Counter()
    for name, token in tokens.items():
        client = web.Client(url, token)
        for number in range(len(routes(*[Ticket(), Ticket()]))):
            pending, decided = tickets(people)
            method, path, body = routes(pending, decided)[number]
            status, answer, _ = client.call(method, path, body)
            code = answer.get("code", "") if isinstance(answer, dict) else ""
            # Where there is nothing, the answer names no refusal of ours.
            tried += status < 400 or code not in ("", "method-not-allowed")
            accepted += 200 <= status < 300
            answers[f"{name}: {status} {code}"] += 1
        client.close()
    return accepted, tried, answers


def by_services(people: Cast) -> tuple[int, int]:
    """Ask the services themselves, as the machine; return (accepted, tried)."""
    machine = people.key.user
    pending, decided = tickets(people)
    calls = [
        lambda: cast_vote(ticket_id=pending.pk, voter=machine, choice="approve", version=1),
        lambda: withdraw_vote(ticket_id=pending.pk, voter=machine),
        lambda: claim_ticket(ticket_id=pending.pk, person=machine),
        lambda: claim_next(queue=pending.queue, person=machine),
        lambda: revoke_ticket(ticket_id=decided.pk, by=machine, reason="no"),
        lambda: create_key(
            name="v", kind="service", owner=people.owner, scopes=["votes:write"], now=db_now()
        ),
    ]
    accepted = 0
    for call in calls:
        try:
            call()
        except (Refusal, Invalid):
            continue
        accepted += 1
    return accepted, len(calls)


def by_sql(people: Cast) -> tuple[int, int, list[str]]:
    """Insert votes of the machine with plain SQL; return (accepted, tried, answers)."""
    machine, human = people.key.user, people.voters[0]
    said = [
        doors.insert(people.open().pk, voter=voter, principal=principal, kind=kind)
        for voter, principal in ((machine, machine), (machine, human), (human, machine))
        for kind in ("machine", "human")
    ]
    said.append(doors.insert(people.open().pk, voter=human, principal=human, kind="machine"))
    return said.count("taken"), len(said), said


def matrix(scene: Scene, tokens: dict[str, str], people: Cast) -> Figure:
    with scene.served() if scene.processes else nullcontext("") as url:
        accepted, tried, answers = over_http(url, people, tokens) if url else (0, 0, Counter[str]())
    service_accepted, service_tried = by_services(people)
    sql_accepted, sql_tried, said = by_sql(people)
    machines = User.objects.filter(kind=User.Kind.MACHINE)
    return figure(
        f"{len(tokens)} keys, {tried + service_tried + sql_tried} attempts",
        details={"answers": dict(answers), "sql": said},
        accepted_over_HTTP=accepted,
        accepted_by_a_service=service_accepted,
        accepted_by_SQL=sql_accepted,
        votes_of_machines=Vote.objects.filter(voter__in=machines).count(),
        claims_of_machines=Assignment.objects.filter(person__in=machines).count(),
        server_errors=sum(n for name, n in answers.items() if ": 5" in name),
    )


def run(scene: Scene) -> Figure:
    people = cast(voters=2)
    tokens = {}
    for scopes in SCOPES:
        key, token = create_key(
            name="robot", kind="service", owner=people.owner, scopes=[], now=db_now()
        )
        AccessKey.objects.filter(pk=key.pk).update(scopes=scopes)
        tokens[" ".join(scopes) or "none"] = token
    tokens["the key that opened"] = people.token
    return matrix(scene, tokens, people)


def control(scene: Scene) -> Figure:
    """Make the same calls with a person's token, and let the database take any voter."""
    people = cast(voters=2)
    switches.drop_triggers("vote_by_a_person")
    return matrix(scene, {"a person": web.token_of(people.voters[1])}, people)


ROW = Row("D10", "Only people vote", run, control)
