"""What rules would have made of past tickets, before they are saved. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from approvals import permissions
from approvals.models import User
from approvals.services.policies import published_question
from reviews import rules
from reviews.models import Checkpoint, Rule, Ticket
from reviews.services.asking import plain_rule
from reviews.services.requests import request_of

# So many of the latest tickets are looked at, and so many of those that change are listed.
MOST, LISTED = 1000, 20
_SWITCHED = "allow"  # what a switch let pass bears no word of a rule

_WORDS = {"ask": "asked", "allow": "passed", "deny": "refused"}


@dataclass(frozen=True, slots=True)
class Changed:
    """One ticket the rules would treat differently: what they said then, what they would say."""

    ticket: Ticket
    was: str
    would: rules.Then
    rule: str
    why: str

    @property
    def was_word(self) -> str:
        """Return what became of it, in a word for people."""
        return _WORDS[self.was]

    @property
    def would_word(self) -> str:
        """Return what would become of it."""
        return _WORDS[self.would]


@dataclass(slots=True)
class Simulation:
    """How the latest tickets would fare; `nobody` of the asked ones too few people can answer."""

    looked_at: int = 0
    more: bool = False
    ask: int = 0
    allow: int = 0
    deny: int = 0
    nobody: int = 0
    were: dict[str, int] = field(default_factory=lambda: {"ask": 0, "allow": 0, "deny": 0})
    changes: int = 0
    changed: list[Changed] = field(default_factory=list)


def simulate(
    *,
    checkpoint: Checkpoint,
    wanted: Sequence[Rule],
    user: User,
    now: datetime,
    latest: int = MOST,
) -> Simulation:
    """Return what these rules would have made of the latest tickets this user may see.

    `checkpoint` is as it would be saved, `wanted` its rules in their order; neither need be
    stored. Each ticket's last content is judged as it would be now, by what judges new ones.
    """
    plain = []
    for place, row in enumerate(wanted, start=1):
        row.position = place
        plain.append(plain_rule(row))
    asked_under = {str(rule.question_id): rule.question_id for rule in wanted if rule.question_id}
    found = Simulation()
    answerable: dict[tuple[UUID, UUID | None], bool] = {}
    past = Ticket.objects.visible_to(user).filter(checkpoint=checkpoint.pk, second_look="")
    tickets = past.select_related("region").order_by("-pk")[: min(latest, MOST) + 1]
    for ticket in tickets:
        if found.looked_at == min(latest, MOST):
            found.more = True
            break
        ticket.checkpoint = checkpoint
        verdict = _judged(ticket, plain, checkpoint, now)
        found.looked_at += 1
        setattr(found, verdict.then, getattr(found, verdict.then) + 1)
        was = _said(ticket)
        found.were[was] += 1
        if verdict.then == "ask":
            own = verdict.rule and asked_under.get(str(verdict.rule.question_id))
            key = (own or checkpoint.question_id, ticket.region_id)
            if key not in answerable:
                answerable[key] = _answerable(key[0], ticket, now)
            found.nobody += not answerable[key]
        if was != verdict.then:
            found.changes += 1
            if len(found.changed) < LISTED:
                name = verdict.rule.name if verdict.rule else ""
                found.changed.append(Changed(ticket, was, verdict.then, name, verdict.why))
    return found


def _judged(
    ticket: Ticket, plain: Sequence[rules.Rule], checkpoint: Checkpoint, now: datetime
) -> rules.Verdict:
    request = request_of(ticket)
    return rules.judge(
        plain,
        otherwise=checkpoint.otherwise,
        proposal=request.proposal,
        schema=checkpoint.proposal_schema,
        ticket=request.facts(ticket.region),
        ai=request.ai_facts(),
        now=now,
    )


def _said(ticket: Ticket) -> Literal["ask", "allow", "deny"]:
    """Return what the rules said of a ticket when it was opened, or last sent again."""
    said: Any = (ticket.rule or {}).get("then", _SWITCHED)
    return said if said in rules.THENS else "ask"


def _answerable(policy_id: UUID, ticket: Ticket, now: datetime) -> bool:
    """Tell whether enough people of a ticket's region hold the seats a policy asks."""
    everybody, appointed = permissions.seats_at_opening(policy_id=policy_id, now=now)
    within = ticket.people_within()
    holders = [one for one in everybody.values() if within is None or one.user_id in within]
    for place, stage in enumerate(published_question(policy_id).stages):
        for need in stage.needs:
            if need.role in appointed:
                continue
            seated = sum((place, need.role) in holder.seats for holder in holders)
            if seated < (need.count if isinstance(need.count, int) else 1):
                return False
    return True
