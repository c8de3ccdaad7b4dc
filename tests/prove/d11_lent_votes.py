"""D11: votes are lent, given back and run out, in every order: nobody is ever counted twice.

Random sequences of lending, ending, waiting, opening and voting, against a model of a few lines
that knows nothing of the service. Each sequence is one transaction that is undone at its end.
"""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from approvals.errors import AlreadyDecided, Refusal
from approvals.models import Delegation, User, Vote
from approvals.services.delegations import end_delegation, start_delegation
from audit.clock import db_now, shifted
from reviews.models import Ticket
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket
from reviews.services.votes import cast_vote, withdraw_vote
from tests.prove import switches
from tests.prove.cast import Cast, cast, person
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

NEEDED = 2
STEPS = 16
DAY = timedelta(days=1)
# Who: three reviewers, one of them a lead as well; somebody without a role; the same one's second
# account; the owner of the key, who reviews too; and a machine.
WHO = ("ann", "ben", "cleo", "dan", "second", "owner", "machine")
PEOPLE = st.sampled_from(WHO)
LENDERS = st.sampled_from(("ann", "ann", "ben", "ben", "cleo", "owner", "dan", "machine"))
DELEGATES = st.sampled_from(("dan", "dan", "second", "ben", "cleo", "ann", "owner", "machine"))
LOAN = st.tuples(
    LENDERS,
    DELEGATES,
    st.sampled_from(["", "", "", "reviewer", "lead"]),
    st.sampled_from([0, 0, 0, 0, 24]),
    st.sampled_from([30, 30, 30, 24 * 90, 24 * 90, 1, 24 * 91, -1]),
)
# Which of the likely pairs, whether the lender is named, and what is chosen.
BALLOT = st.tuples(
    st.integers(0, 60), st.booleans(), st.sampled_from(["approve", "approve", "approve", "reject"])
)


@dataclass
class Lent:
    """A loan as the model knows it."""

    lender: str
    delegate: str
    roles: frozenset[str]
    starts: datetime
    ends: datetime

    def at(self, now: datetime) -> bool:
        return self.starts <= now < self.ends


@dataclass
class Asked:
    """A ticket as the model knows it: whose work it is, who was excluded, and the votes."""

    ticket: Any
    authors: frozenset[str]
    excluded: frozenset[str]
    status: str = "pending"
    votes: list[tuple[str, str, str]] = field(default_factory=list)


class Model:
    """Who may do what, by the words of the promise."""

    def __init__(self, roles: dict[str, frozenset[str]]) -> None:
        self.roles = roles
        self.loans: list[Lent] = []
        self.asked: list[Asked] = []

    @staticmethod
    def same(name: str) -> str:
        return "dan" if name == "second" else name

    def may_lend(self, new: Lent, now: datetime) -> bool:
        giving, taking = self.same(new.lender), self.same(new.delegate)
        meanwhile = [
            (self.same(old.lender), self.same(old.delegate))
            for old in self.loans
            if old.starts < new.ends and old.ends > new.starts
        ]
        return (
            giving != taking
            and "machine" not in (giving, taking)
            and now < new.ends
            and timedelta(0) < new.ends - new.starts <= 90 * DAY
            and not any(
                old_giving == taking
                or old_taking == giving
                or (old_giving, old_taking) == (giving, taking)
                for old_giving, old_taking in meanwhile
            )
        )

    def acting_for(self, authors: frozenset[str], now: datetime) -> frozenset[str]:
        mine = {self.same(author) for author in authors}
        return frozenset(
            self.same(loan.delegate)
            for loan in self.loans
            if loan.at(now) and self.same(loan.lender) in mine
        )

    def counts(self, asked: Asked, voter: str, whose: str, now: datetime) -> bool:
        own_work = asked.excluded | self.acting_for(asked.authors, now)
        lent = voter == whose or any(
            loan.at(now)
            and (loan.lender, loan.delegate) == (whose, voter)
            and "reviewer" in loan.roles
            for loan in self.loans
        )
        return (
            "machine" not in (voter, whose)
            and lent
            and "reviewer" in self.roles[whose]
            and own_work.isdisjoint({self.same(voter), self.same(whose)})
        )

    def new(self, asked: Asked, voter: str, whose: str) -> bool:
        """Return whether neither of them, by whichever account, stands in a vote already."""
        used = {self.same(name) for vote in asked.votes for name in vote[:2]}
        return used.isdisjoint({self.same(voter), self.same(whose)})

    def outcome(self, asked: Asked, now: datetime) -> str:
        for choice, status in (("reject", "rejected"), ("approve", "approved")):
            good = [
                one for one in asked.votes
                if one[2] == choice and self.counts(asked, one[0], one[1], now)
            ]  # fmt: skip
            if len(good) >= NEEDED:
                return status
        return "pending"


class Lending(RuleBasedStateMachine):
    """The service and the model, step by step. What differs is written down, never raised."""

    people: Cast
    users: dict[str, User]
    broken: Counter[str]
    ran: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(transaction.atomic())
        self.model = Model({
            name: frozenset(user.groups.values_list("name", flat=True))
            for name, user in self.users.items()
        })  # fmt: skip
        self.rows: dict[int, Delegation] = {}

    def teardown(self) -> None:
        for asked in self.model.asked:
            self._look_at(asked)
        transaction.set_rollback(True)
        self.stack.close()
        self.ran["sequences"] += 1

    @initialize(
        pair=st.sampled_from([("ann", "dan"), ("ben", "cleo"), ("ann", "second"), ("cleo", "dan")]),
        loans=st.lists(LOAN, max_size=2),
    )
    def begun(self, pair: tuple[str, str], loans: list[tuple[str, str, str, int, int]]) -> None:
        self.lend((*pair, "", 0, 30))
        for loan in loans:
            self.lend(loan)
        self.open("key")

    @rule(by=st.sampled_from(["key", "key", "cleo", "ann"]))
    def open(self, by: str) -> None:
        request = TicketRequest(
            checkpoint=self.people.checkpoint, title="A loan", proposal={"amount": 1}
        )
        key = self.people.key if by == "key" else None
        requester = self.people.key.user if by == "key" else self.users[by]
        now = db_now()
        ticket = open_ticket(requester=requester, key=key, request=request)
        authors = frozenset(["owner" if by == "key" else by])
        excluded = authors | self.model.acting_for(authors, now)
        self.model.asked.append(Asked(ticket.pk, authors, excluded))

    @rule(loan=LOAN)
    def lend(self, loan: tuple[str, str, str, int, int]) -> None:
        lender, delegate, role, wait, hours = loan
        now = db_now()
        starts = now + timedelta(hours=wait)
        held = self.model.roles[lender]
        new = Lent(lender, delegate, frozenset([role]) if role else held, starts,
                   starts + timedelta(hours=hours))  # fmt: skip
        may = self.model.may_lend(new, now) and new.roles <= held
        user = self.users[lender]
        try:
            with transaction.atomic():
                made = start_delegation(
                    lender=user,
                    delegate=self.users[delegate],
                    starts_at=starts if wait else None,
                    ends_at=new.ends,
                    roles=self.people.key.user.groups.model.objects.filter(name=role),
                    by=user,
                )
        except Refusal as refusal:
            self._differs("loan", may, f"{new} {refusal.detail}")
            return
        self._differs("loan", not may, f"{new} was made")
        new.starts = made.starts_at
        self.rows[len(self.model.loans)] = made
        self.model.loans.append(new)
        self.ran["loans"] += 1

    @rule(which=st.integers(0, 9))
    def end(self, which: int) -> None:
        if which < len(self.model.loans):
            row, loan = self.rows[which], self.model.loans[which]
            ended = end_delegation(delegation_id=row.pk, by=row.lender).ended_at
            loan.ends = min(loan.ends, ended or loan.ends)
            loan.starts = min(loan.starts, loan.ends)

    @rule(hours=st.sampled_from([1, 1, 24, 31]))
    def wait(self, hours: int) -> None:
        self.stack.enter_context(shifted(timedelta(hours=hours)))

    @rule(which=st.integers(0, 2), ballots=st.lists(BALLOT, min_size=2, max_size=5))
    def vote(self, which: int, ballots: list[tuple[int, bool, str]]) -> None:
        asked = self.model.asked[which % len(self.model.asked)]
        # Mostly for whom they may have a loan, else everybody for themselves.
        pairs = [(loan.delegate, loan.lender) for loan in self.model.loans] * 5
        pairs += [(name, name) for name in WHO] + [("dan", "ann"), ("ben", "cleo")]
        for number, named, choice in ballots:
            voter, whose = pairs[number % len(pairs)]
            self._vote(asked, voter, whose, named=named, choice=choice)

    def _vote(self, asked: Asked, voter: str, whose: str, *, named: bool, choice: str) -> None:
        now = db_now()
        if asked.status != "pending":
            return
        if not named:
            whose = self._meant(asked, voter, now)
        may = self.model.counts(asked, voter, whose, now) and self.model.new(asked, voter, whose)
        again = (voter, whose, choice) in asked.votes or (
            not named and any(one[0] == voter and one[2] == choice for one in asked.votes)
        )
        try:
            with transaction.atomic():
                answer = cast_vote(
                    ticket_id=asked.ticket,
                    voter=self.users[voter],
                    choice=choice,
                    version=1,
                    reason="seen",
                    on_behalf_of=self.users[whose].username if named else "",
                )
        except (Refusal, IntegrityError) as problem:
            told = getattr(problem, "detail", str(problem))
            self._differs("vote", may, f"{voter} for {whose}, {choice}: {told}")
            return
        if answer.replayed:
            self._differs("vote", not again, f"{voter} for {whose}, {choice}: replayed")
            return
        cast_for = answer.vote.principal_id == self.users[whose].pk
        self._differs("vote", not may or not cast_for, f"{voter} for {whose}, {choice}: taken")
        owner = next(n for n, u in self.users.items() if u.pk == answer.vote.principal_id)
        asked.votes.append((voter, owner, choice))
        asked.status = self.model.outcome(asked, now)
        self.ran["votes"] += 1
        self.ran["lent votes"] += voter != owner
        self.ran["decided"] += asked.status != "pending"
        self._look_at(asked)

    def _meant(self, asked: Asked, voter: str, now: datetime) -> str:
        """Return whose vote is meant where nobody is named: one's own, or the only one left."""
        if self.model.counts(asked, voter, voter, now):
            return voter
        left = [
            one for one in WHO
            if self.model.counts(asked, voter, one, now) and self.model.new(asked, voter, one)
        ]  # fmt: skip
        return left[0] if len(left) == 1 else "machine"

    @rule(which=st.integers(0, 2), who=PEOPLE)
    def take_back(self, which: int, who: str) -> None:
        asked = self.model.asked[which % len(self.model.asked)]
        own = next((one for one in asked.votes if who in one[:2]), None)
        try:
            with transaction.atomic():
                withdraw_vote(ticket_id=asked.ticket, voter=self.users[who])
        except Refusal as refusal:
            late = isinstance(refusal, AlreadyDecided)
            self._differs("taking back", own is not None and not late, f"{who}: {refusal.detail}")
            return
        self._differs("taking back", own is None, f"{who} took a vote back")
        if own is not None:
            asked.votes.remove(own)

    def _look_at(self, asked: Asked) -> None:
        """Compare a ticket with the model, and see that nobody stands in its votes twice."""
        ticket = Ticket.objects.select_related("decision").get(pk=asked.ticket)
        self._differs("outcome", ticket.status != asked.status,
                      f"{asked.votes}: {ticket.status}, not {asked.status}")  # fmt: skip
        votes = Vote.objects.filter(decision=ticket.decision, withdrawn_at__isnull=True)
        pairs = votes.values_list("voter__identity", "principal__identity")
        seen = Counter(person for pair in pairs for person in set(pair))
        if any(times > 1 for times in seen.values()):
            self.broken["double"] += 1

    def _differs(self, what: str, when: bool, told: str) -> None:
        if when:
            self.broken[what] += 1
            self.ran[f"{what}: {told}"] += 1


def play(hand: Hand) -> None:
    """Play a share of the sequences and write down what differed."""
    people = _cast_of(hand.parcel["people"][hand.number])
    Lending.people, Lending.users = people
    Lending.broken, Lending.ran = Counter(), Counter()
    chosen = settings(
        max_examples=hand.parcel["sequences"],
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    seed(hand.parcel["seed"] + hand.number)(Lending)
    run_state_machine_as_test(Lending, settings=chosen)
    hand.note(broken=dict(Lending.broken), ran=dict(Lending.ran))


_numbers = count()


def _make() -> dict[str, Any]:
    """Make one crew member's people; return their ids."""
    tag = f"lent{next(_numbers)}"
    people = cast(voters=0, needed=NEEDED, listening=False, expires="P3000D")
    people.owner.groups.set(person(f"{tag}-unused", "reviewer").groups.all())
    made = {
        "ann": person(f"{tag}-ann", "reviewer"),
        "ben": person(f"{tag}-ben", "reviewer"),
        "cleo": person(f"{tag}-cleo", "reviewer", "lead"),
        "dan": person(f"{tag}-dan"),
        "second": person(f"{tag}-second", email=f"{tag}-dan+x@example.org"),
        "owner": people.owner,
        "machine": people.key.user,
    }
    return {
        "key": people.key.pk,
        "checkpoint": people.checkpoint,
        "users": {name: user.pk for name, user in made.items()},
    }


def _cast_of(told: dict[str, Any]) -> tuple[Cast, dict[str, User]]:
    from approvals.models import AccessKey

    key = AccessKey.objects.select_related("user", "owner").get(pk=told["key"])
    users = {name: User.objects.get(pk=pk) for name, pk in told["users"].items()}
    return Cast(key.owner, key, "", told["checkpoint"]), users


def machine(scene: Scene, *, sequences: int) -> Figure:
    hands = 2 if scene.processes else 1
    ledger = scene.crew(
        play,
        hands=hands,
        parcel={
            "sequences": -(-sequences // hands),
            "seed": scene.seed,
            "people": [_make() for _ in range(hands)],
        },
    )
    broken, ran = Counter[str](), Counter[str]()
    for line in ledger:
        broken.update(line["broken"])
        ran.update(line["ran"])
    told = {name: n for name, n in ran.items() if ":" not in name}
    return figure(
        f"{ran['sequences']} sequences of {STEPS} steps: {ran['loans']} loans, "
        f"{ran['votes']} votes, {ran['lent votes']} of them lent, {ran['decided']} decisions",
        details={"ran": told, "differences": [name for name in ran if ":" in name][:40]},
        double_counts=broken["double"],
        differing_votes=broken["vote"] + broken["taking back"],
        differing_loans=broken["loan"],
        differing_outcomes=broken["outcome"],
    )


def run(scene: Scene) -> Figure:
    return machine(scene, sequences=scene.size(2000, least=20))


def control(scene: Scene) -> Figure:
    scene.switch_off("one-voice")
    switches.drop_constraints("vote_one_per_principal", "vote_one_per_voter")
    return machine(scene, sequences=scene.size(200, least=20))


ROW = Row("D11", "A lent vote is one vote, and lent once", run, control)
