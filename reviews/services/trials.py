"""Try a checkpoint with a sample proposal: what its rules say, and who would be asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from approvals import permissions
from approvals.errors import Refusal
from approvals.models import User
from approvals.services.policies import rendered
from approvals.services.polls import question_of
from reviews.expressions import RuleInvalid, SchemaKey, compile_expression
from reviews.models import Checkpoint, Region, Rule
from reviews.rules import complete
from reviews.services.bulk import tried_ticket
from reviews.services.requests import TicketRequest
from reviews.services.walkthrough import Walk, walk_of
from reviews.sla import deadlines


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule says about the sample: `result` is holds, holds not, or why it failed."""

    rule: Rule
    result: str
    failed: bool = False
    fires: bool = False


@dataclass(slots=True)
class Trial:
    """What would happen; `then` is ask, allow, deny, or empty where the sample was refused."""

    then: str = ""
    why: str = ""
    errors: list[dict[str, str]] = field(default_factory=list)
    rules: list[RuleResult] = field(default_factory=list)
    walk: Walk | None = None
    policy: str = ""
    queue: str = ""
    risk: str = ""


def try_sample(*, checkpoint: Checkpoint, request: TicketRequest, by: User, now: datetime) -> Trial:
    """Return what opening this ticket would do. Everything it writes is undone."""
    trial = Trial()
    region = Region.objects.filter(slug=request.region).first() if request.region else None
    rules = list(checkpoint.rules.select_related("question"))
    try:
        with tried_ticket(requester=by, key=None, request=request) as ticket:
            decision = ticket.decision
            waiting = decision.settled_at is None
            trial.then = "ask" if waiting else "allow" if decision.effect == "allow" else "deny"
            trial.why = str((ticket.rule or {}).get("why", ""))
            trial.policy, trial.queue = str(decision.policy), ticket.queue.name
            trial.risk = ticket.get_risk_display()
            if waiting:
                question = question_of(decision)
                holders = permissions.everybody_seated(
                    policy_id=decision.policy_id, decision_id=decision.pk, now=now
                )
                trial.walk = walk_of(
                    question,
                    ladders=[stage["ladder"] for stage in rendered(decision.policy)["stages"]],
                    holders=holders,
                    amount=ticket.amount,
                    ends=deadlines(
                        priority=ticket.priority,
                        timing=question.timing,
                        created_at=now,
                        calendar=ticket.queue.hours,
                    ),
                )
    except Refusal as refusal:
        trial.errors = refusal.errors or [{"pointer": "", "message": refusal.detail}]
        return trial
    trial.rules = _results(rules, checkpoint, request, region, now)
    return trial


def _results(
    rules: Sequence[Rule],
    checkpoint: Checkpoint,
    request: TicketRequest,
    region: Region | None,
    now: datetime,
) -> list[RuleResult]:
    """Return each rule's own result; the first live one that holds, or fails, is the one."""
    key = SchemaKey(checkpoint.proposal_schema)
    facts = {
        "proposal": complete(request.proposal, checkpoint.proposal_schema),
        "ticket": request.facts(region),
        "ai": request.ai_facts(),
    }
    results, decided = [], False
    for rule in rules:
        over = rule.expires_at is not None and rule.expires_at <= now
        try:
            holds = compile_expression(rule.when, key).holds(**facts)
            found, failed = "holds" if holds else "does not hold", False
        except RuleInvalid as problem:
            holds, found, failed = True, str(problem), True
        except Exception as problem:  # whatever failed inside is what the reader must see
            holds, found, failed = True, str(problem) or type(problem).__name__, True
        live = rule.state == Rule.State.LIVE and not over
        fires = live and holds and not decided
        decided = decided or fires
        if over:
            found += "; it has run out"
        results.append(RuleResult(rule, found, failed, fires))
    return results
