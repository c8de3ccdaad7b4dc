"""D12: only listed transitions: lives by chance against a ticket on paper, and raw SQL."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from approvals.errors import Refusal
from approvals.models import Receipt
from audit.clock import db_now, shifted
from audit.models import AuditEvent
from reviews.lifecycle import STATUSES, TRANSITIONS
from reviews.models import Ticket
from reviews.services.receipts import consume_receipt
from reviews.services.sweeps import conclude_tickets
from reviews.services.tickets import cancel_ticket, resubmit_ticket, revoke_ticket
from reviews.services.votes import cast_vote, withdraw_vote
from tests.prove import switches
from tests.prove.cast import Cast, cast
from tests.prove.paper import NEEDED, STATUS, Paper, Refused
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

VOTERS = st.sampled_from(range(3))


class Life(RuleBasedStateMachine):
    """One ticket and its twin on paper, through whatever may happen to both."""

    people: ClassVar[Cast]
    told: ClassVar[Counter[str]]
    wrong: ClassVar[list[str]]

    def __init__(self) -> None:
        super().__init__()
        self.told["lives"] += 1
        self.ticket = self.people.open()
        self.paper = Paper()
        self.path: list[str] = []
        self.differs = False

    @rule(voter=VOTERS, choice=st.sampled_from(sorted(STATUS)), changes=st.sampled_from([5, 7]))
    def vote(self, voter: int, choice: str, changes: int) -> None:
        more: dict[str, Any] = {}
        if choice == "modify":
            more = {"amendments": {"amount": changes}}
        if choice == "request_changes":
            more = {"response": {"feedback": "more"}}
        self._both(
            f"vote {voter} {choice} {changes}",
            lambda: cast_vote(
                ticket_id=self.ticket.pk,
                voter=self.people.voters[voter],
                choice=choice,
                version=self.paper.round,
                reason="so",
                **more,
            ),
            lambda: self.paper.vote(voter, choice, changes if choice == "modify" else 0),
        )

    @rule(choice=st.sampled_from(sorted(STATUS)), first=VOTERS)
    def agree(self, choice: str, first: int) -> None:
        # By chance alone, few would ever be of one mind.
        self.vote(first, choice, 5)
        self.vote((first + 1) % 3, choice, 5)

    @rule(voter=VOTERS)
    def take_back(self, voter: int) -> None:
        self._both(
            f"withdraw {voter}",
            lambda: withdraw_vote(ticket_id=self.ticket.pk, voter=self.people.voters[voter]),
            lambda: self.paper.withdraw(voter),
        )

    @rule(amount=st.integers(11, 19))
    def resubmit(self, amount: int) -> None:
        machine = self.people.key.user
        self._both(
            "resubmit",
            lambda: resubmit_ticket(
                ticket_id=self.ticket.pk, requester=machine, proposal={"amount": amount}
            ),
            self.paper.resubmit,
        )

    @rule(really=st.integers(0, 5))
    def cancel(self, really: int) -> None:
        # Seldom, or few lives would be long.
        if really == 0:
            machine = self.people.key.user
            self._both(
                "cancel",
                lambda: cancel_ticket(ticket_id=self.ticket.pk, by=machine, reason=""),
                self.paper.cancel,
            )

    @rule(voter=VOTERS)
    def revoke(self, voter: int) -> None:
        self._both(
            f"revoke {voter}",
            lambda: revoke_ticket(
                ticket_id=self.ticket.pk, by=self.people.voters[voter], reason="no"
            ),
            lambda: self.paper.revoke(voter),
        )

    @rule()
    def consume(self) -> None:
        self._both("consume", self._stamp, self.paper.consume)

    def _stamp(self) -> None:
        digest = self._read().decision.executed_digest
        consume_receipt(ticket_id=self.ticket.pk, key=self.people.key, nonce="n", digest=digest)

    @rule(minutes=st.sampled_from([1, 4, 5, 5, 60, 24 * 60]), swept=st.booleans())
    def wait(self, minutes: int, swept: bool) -> None:
        self.paper.now += minutes
        if swept:
            self._both(f"wait {minutes}", lambda: conclude_tickets([self.ticket.pk]), int)
        else:
            # What is due then must be concluded by whatever comes next.
            self.path.append(f"wait {minutes} unswept")

    def _read(self) -> Ticket:
        stamped = Exists(Receipt.objects.filter(decision=OuterRef("decision")))
        rows = Ticket.objects.select_related("decision").annotate(consumed=stamped)
        return rows.get(pk=self.ticket.pk)

    def _both(self, step: str, do: Callable[[], object], write: Callable[[], object]) -> None:
        """Do it and write it down; both must be refused alike, and stand alike afterwards."""
        if self.differs:
            return
        self.told["steps"] += 1
        self.path.append(step)
        with shifted(timedelta(minutes=self.paper.now)):
            try:
                do()
                answer = "done"
            except Refusal as refusal:
                answer = refusal.code
                # It also took back what had been due.
                conclude_tickets([self.ticket.pk])
        try:
            write()
            expected = "done"
        except Refused as refused:
            expected = str(refused)
        self.paper.conclude()
        self.told[answer] += 1
        stands, must = self._stands(), self.paper.stands()
        if (answer, stands) != (expected, must):
            self.differs = True
            self.told["differences"] += 1
            self.wrong.append(f"{self.path}: {answer} {stands}, on paper {expected} {must}")

    def _stands(self) -> dict[str, object]:
        ticket = self._read()
        numbers = {person.pk: number for number, person in enumerate(self.people.voters)}
        votes = ticket.decision.votes.filter(withdrawn_at__isnull=True)
        return {
            "status": ticket.status,
            "round": ticket.round,
            "outcome": ticket.decision.outcome,
            "by": ticket.decision.by,
            "votes": {numbers[vote.voter_id]: vote.choice for vote in votes},
            "consumed": ticket.consumed,  # type: ignore[attr-defined]  # annotated above
            "closed": ticket.closed_at is not None,
        }

    def teardown(self) -> None:
        self.told[f"ended {self.paper.status}"] += 1


def lives(scene: Scene, *, count: int) -> tuple[Counter[str], list[str]]:
    """Live `count` lives of 30 steps each."""

    class Ours(Life):
        people = cast(voters=3, needed=NEEDED, hold="PT5M", expires="PT24H")
        told: ClassVar[Counter[str]] = Counter(differences=0, steps=0, lives=0)
        wrong: ClassVar[list[str]] = []

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        seed(scene.seed)(Ours),
        settings=settings(
            max_examples=count,
            stateful_step_count=30,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return Ours.told, Ours.wrong


def one_of_each() -> dict[str, Ticket]:
    """Return a ticket in every status."""
    people, asked = cast(voters=1), cast(voters=1, preset="input")
    made = {status: people.open() for status in STATUSES if status != "answered"}
    made["answered"] = asked.open()
    votes = {"approved": "approve", "rejected": "reject", "revoked": "approve"}
    for status, choice in votes.items():
        cast_vote(
            ticket_id=made[status].pk,
            voter=people.voters[0],
            choice=choice,
            version=1,
            reason="so",
        )
    for status in ("needs_changes", "expired"):
        cast_vote(
            ticket_id=made[status].pk,
            voter=people.voters[0],
            choice="request_changes",
            version=1,
            response={"feedback": "more"},
        )
    cast_vote(ticket_id=made["answered"].pk, voter=asked.voters[0], choice="submit", version=1)
    revoke_ticket(ticket_id=made["revoked"].pk, by=people.voters[0], reason="no")
    cancel_ticket(ticket_id=made["cancelled"].pk, by=people.key.user, reason="")
    with shifted(timedelta(days=40)):
        conclude_tickets([made["expired"].pk])
    for status, ticket in made.items():
        ticket.refresh_from_db()
        assert ticket.status == status
    return made


def matrix() -> dict[str, int]:
    """Try every status after every other by raw SQL, each with an event of its own."""
    found = Counter(unlisted_taken=0, listed_refused=0)
    made = one_of_each()
    events = list(AuditEvent.objects.values_list("pk", flat=True)[:2])
    native = connection.features.has_native_uuid_field

    def stored(value: Any) -> Any:
        return value if native else value.hex

    for old, ticket in made.items():
        told = next(event for event in events if event != ticket.last_event_id)
        for new in STATUSES:
            closed = None if new in ("pending", "needs_changes") else db_now()
            if old == new:
                continue
            taken = _taken(
                "UPDATE reviews_ticket SET status = %s, last_event_id = %s, closed_at = %s "
                "WHERE id = %s",
                [new, stored(told), closed, stored(ticket.pk)],
            )
            listed = new in TRANSITIONS[old]
            found["unlisted_taken"] += taken and not listed
            found["listed_refused"] += listed and not taken
    return dict(found)


class _Undo(Exception):
    """Take back what was only tried."""


def _taken(statement: str, given: list[Any]) -> bool:
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement, given)
                changed = cursor.rowcount == 1
            if changed:
                raise _Undo
    except _Undo:
        return True
    except IntegrityError:
        pass
    return False


def both_ways(scene: Scene, *, count: int) -> Figure:
    tried = matrix()
    told, wrong = lives(scene, count=count)
    pairs = len(STATUSES) * (len(STATUSES) - 1)
    return figure(
        f"{told['lives']} lives, {told['steps']} steps; {pairs} transitions by raw SQL",
        details={"told": dict(told), "wrong": wrong[:3]},
        differences=told["differences"],
        **tried,
    )


def run(scene: Scene) -> Figure:
    return both_ways(scene, count=scene.size(300, least=6))


def control(scene: Scene) -> Figure:
    """Let silence end as the rejection it means, and take the trigger away."""
    scene.switch_off("listed-statuses")
    switches.drop_triggers("ticket_transition")
    return both_ways(scene, count=30)


ROW = Row("D12", "A ticket moves only as listed", run, control, database="both")
