"""Read how a question stands: its votes, and the rights of everybody concerned, as of now."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from approvals import permissions
from approvals.eligibility import Standing, refusal
from approvals.models import Decision, User, Vote
from approvals.permissions import Holder
from approvals.question import Question, parse_question
from approvals.quorum import Cast, Tally, decide
from approvals.walks import Seated
from audit.prepared import PreparedRead


@dataclass(frozen=True, slots=True)
class Poll:
    """An open question with its votes and the rights of everybody concerned, as of now."""

    decision: Decision
    question: Question
    votes: Sequence[Vote]
    holders: Mapping[int, Holder]
    within: Collection[int] | None

    @property
    def escalated(self) -> frozenset[str]:
        return frozenset(self.decision.escalated)

    def seats(self, user_id: int) -> frozenset[tuple[int, str]]:
        """Return the seats a person may use here; none outside the circle `within`."""
        holder = self.holders.get(user_id)
        outside = self.within is not None and user_id not in self.within
        return frozenset() if holder is None or outside else holder.seats

    def casts(self) -> list[Cast]:
        """Return the votes as the quorum reads them, each re-checked against today's rights."""
        return [self._cast(vote) for vote in self.votes]

    def _cast(self, vote: Vote) -> Cast:
        holder = self.holders[vote.principal_id]
        valid = (
            holder.is_active
            and holder.is_human
            and holder.excluded_as is None
            and self.holders[vote.voter_id].excluded_as is None
            and vote.digest == self.decision.digest
        )
        return Cast(
            voter=vote.principal_id,
            choice=vote.choice,
            outcome=vote.outcome_digest,
            seats=self.seats(vote.principal_id),
            eligible=valid,
            at=vote.cast_at,
            vote_id=vote.pk,
            names=holder.names,
        )

    def refusal_for(self, user: User, *, choice: str | None, outcome: str = "") -> str | None:
        """Return the code of why this user may not vote (that way), or None."""
        holder = self.holders.get(user.pk)
        standing = Standing(
            user_id=user.pk,
            is_active=user.is_active,
            is_human=not user.is_machine,
            seats=self.seats(user.pk),
            excluded_as=holder.excluded_as if holder else None,
            already_voted=any(user.pk in (v.voter_id, v.principal_id) for v in self.votes),
            names=holder.names if holder else frozenset((user.pk, user.username)),
        )
        return refusal(
            standing,
            self.question,
            self.casts(),
            choice=choice,
            outcome=outcome,
            escalated=self.escalated,
        )

    def tally(self, *, with_remaining: bool = False) -> Tally:
        """Return where the question stands; `with_remaining` reads everybody who may still vote."""
        remaining = None
        if with_remaining:
            voted = {vote.principal_id for vote in self.votes}
            remaining = [
                Seated(holder.seats, holder.names)
                for holder in permissions.everybody_seated(
                    policy_id=self.decision.policy_id, decision_id=self.decision.pk
                ).values()
                if holder.user_id not in voted
                and holder.excluded_as is None
                and (self.within is None or holder.user_id in self.within)
            ]
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
    *, decision: Decision, also: Collection[int] = (), within: Collection[int] | None = None
) -> Poll:
    """Read a decision's votes, exclusions and the present rights of voters and `also`."""
    votes = _votes_on(decision.pk)
    people = {person for vote in votes for person in (vote.principal_id, vote.voter_id)}
    return Poll(
        decision=decision,
        question=question_of(decision),
        votes=votes,
        holders=permissions.holders(
            policy_id=decision.policy_id, user_ids=people.union(also), decision_id=decision.pk
        ),
        within=within,
    )
