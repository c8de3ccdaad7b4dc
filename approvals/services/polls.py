"""Read how a question stands: its votes, and the rights of everybody concerned, as of now."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial

from approvals import permissions
from approvals.eligibility import Standing, refusal
from approvals.models import Decision, User, Vote
from approvals.permissions import Holder, Loan
from approvals.question import Question, parse_question
from approvals.quorum import Cast, Tally, decide
from approvals.walks import Seated
from audit.clock import shown_now
from audit.prepared import PreparedRead

_NOT_ASKED = ("not-eligible", "not-on-call")


@dataclass(frozen=True, slots=True)
class Poll:
    """An open question with its votes and the rights of everybody concerned, as of now."""

    decision: Decision
    question: Question
    votes: Sequence[Vote]
    holders: Mapping[int, Holder]
    within: Collection[int] | None
    now: datetime
    # By account, the first of the same person's: of two accounts only one vote counts.
    _first: Mapping[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        accounts = [*self.holders.values()]
        accounts += [loan.lender for one in accounts for loan in one.loans.values()]
        accounts.sort(key=lambda one: one.user_id)
        first: dict[int | str, int] = {}
        found = {one.user_id: first.setdefault(one.person, one.user_id) for one in accounts}
        object.__setattr__(self, "_first", found)

    def _people(self, *user_ids: int) -> set[int]:
        """Return whose accounts these are, each person by their first one."""
        return {self._first.get(user_id, user_id) for user_id in user_ids}

    @property
    def escalated(self) -> frozenset[str]:
        return frozenset(self.decision.escalated)

    def seats(self, user_id: int) -> frozenset[tuple[int, str]]:
        """Return the seats a person may use here; none outside the circle `within`."""
        return self.seats_of(self.holders.get(user_id))

    def seats_of(
        self, holder: Holder | None, *, at: datetime | None = None
    ) -> frozenset[tuple[int, str]]:
        """Return the seats usable at an instant: now, or when a vote was cast."""
        if holder is None or self._outside(holder):
            return frozenset()
        return holder.seats_at(at or self.now)

    def _outside(self, holder: Holder) -> bool:
        return self.within is not None and holder.user_id not in self.within

    def loans(self, user_id: int) -> Mapping[int, Loan]:
        """Return what is lent to a person now, by the lender's id."""
        holder = self.holders.get(user_id)
        return {} if holder is None else holder.loans

    def casts(self) -> list[Cast]:
        """Return the votes as the quorum reads them, each re-checked against today's rights."""
        return [self._cast(vote) for vote in self.votes]

    def _cast(self, vote: Vote) -> Cast:
        """Return one vote; of a loan that is over it counts no more, as of a right that is gone."""
        holder, voter = self.holders[vote.principal_id], self.holders[vote.voter_id]
        loan = voter.loans.get(vote.principal_id)
        lent = vote.voter_id != vote.principal_id
        valid = (
            all(one.is_active and one.is_human for one in (holder, voter))
            and holder.excluded_as is None
            and voter.excluded_as is None
            and vote.digest == self.decision.digest
            and (loan is not None or not lent)
        )
        return Cast(
            voter=self._first.get(vote.principal_id, vote.principal_id),
            choice=vote.choice,
            outcome=vote.outcome_digest,
            # Cast on call, it stays a vote after the shift.
            seats=self.seats_of(loan.lender if lent and loan else holder, at=vote.cast_at),
            eligible=valid,
            at=vote.cast_at,
            vote_id=vote.pk,
            names=holder.names,
        )

    def refusal_for(self, user: User, *, choice: str | None, outcome: str = "") -> str | None:
        """Return the code of why this user may not vote (that way) for anybody, or None."""
        own = self.refusal_as(user, principal=user.pk, choice=choice, outcome=outcome)
        if own not in _NOT_ASKED:
            return own
        lent = [
            self.refusal_as(user, principal=lender, choice=choice, outcome=outcome)
            for lender in self.loans(user.pk)
        ]
        telling = [code for code in lent if code is not None and code not in _NOT_ASKED]
        return None if None in lent else (telling or [own])[0]

    def principals(self, user: User, *, choice: str | None, outcome: str = "") -> list[int]:
        """Return for whom this user may vote (that way): themselves, else those who lend to them.

        Whoever has a right of their own uses it, unless they say for whom they vote.
        """
        fitting = [
            principal
            for principal in (user.pk, *sorted(self.loans(user.pk)))
            if self.refusal_as(user, principal=principal, choice=choice, outcome=outcome) is None
        ]
        return fitting[:1] if fitting[:1] == [user.pk] else fitting

    def refusal_as(
        self, user: User, *, principal: int, choice: str | None, outcome: str = ""
    ) -> str | None:
        """Return the code of why this user may not cast this person's vote, or None."""
        voter, holder = self.holders.get(user.pk), self.holders.get(user.pk)
        if principal != user.pk:
            loan = self.loans(user.pk).get(principal)
            if loan is None:
                return "not-eligible"
            holder = loan.lender
        both = self._people(user.pk, principal)
        standing = Standing(
            user_id=self._first.get(principal, principal),
            is_active=user.is_active and (holder is None or holder.is_active),
            is_human=not user.is_machine and (holder is None or holder.is_human),
            seats=self.seats_of(holder),
            excluded_as=(voter and voter.excluded_as) or (holder and holder.excluded_as) or None,
            already_voted=any(both & self._people(v.voter_id, v.principal_id) for v in self.votes),
            names=holder.names if holder else frozenset((user.pk, user.username)),
        )
        asked = partial(
            refusal,
            question=self.question,
            casts=self.casts(),
            choice=choice,
            outcome=outcome,
            escalated=self.escalated,
        )
        code = asked(standing)
        if code == "not-eligible" and holder and holder.on_call and not self._outside(holder):
            # Say so where another hour would do.
            always = asked(replace(standing, seats=holder.seats))
            return code if always == code else "not-on-call"
        return code

    def tally(self, *, with_remaining: bool = False) -> Tally:
        """Return where the question stands; `with_remaining` reads everybody who may still vote."""
        remaining = None
        if with_remaining:
            voted = {
                self.holders[who].person
                for vote in self.votes
                for who in (vote.principal_id, vote.voter_id)
            }
            left: dict[int | str, Seated] = {}
            for holder in permissions.everybody_seated(
                policy_id=self.decision.policy_id, now=self.now, decision_id=self.decision.pk
            ).values():
                if (
                    holder.person not in voted
                    and holder.excluded_as is None
                    and not self._outside(holder)
                ):
                    other = left.get(holder.person, Seated(frozenset()))
                    left[holder.person] = Seated(
                        holder.seats | other.seats, holder.names | other.names
                    )
            remaining = list(left.values())
        return decide(self.question, self.casts(), escalated=self.escalated, remaining=remaining)


@lru_cache(maxsize=1024)
def _parsed(rendered: str) -> Question:
    return parse_question(json.loads(rendered))


def question_of(decision: Decision) -> Question:
    """Return the frozen question of a decision."""
    # Most decisions ask one of a few questions; the text is only the key they are found by.
    return _parsed(json.dumps(decision.question, sort_keys=True))


def asks_after(decision: Decision) -> bool:
    """Tell whether people are asked after the act, which stands until they override it."""
    return question_of(decision).timing.ask == "after"


_votes_on = PreparedRead(
    lambda key: Vote.objects.filter(decision_id=key, withdrawn_at__isnull=True)
)


def read_poll(
    *,
    decision: Decision,
    also: Collection[int] = (),
    within: Collection[int] | None = None,
    now: datetime | None = None,
) -> Poll:
    """Read a decision's votes, exclusions and the rights of voters and `also` as of `now`.

    What is only shown may leave `now` to this machine's clock; what decides names it.
    """
    now = now or shown_now()
    votes = _votes_on(decision.pk)
    people = {person for vote in votes for person in (vote.principal_id, vote.voter_id)}
    return Poll(
        decision=decision,
        question=question_of(decision),
        votes=votes,
        holders=permissions.holders(
            policy_id=decision.policy_id,
            user_ids=people.union(also),
            decision_id=decision.pk,
            now=now,
        ),
        within=within,
        now=now,
    )
