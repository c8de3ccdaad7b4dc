"""From a checkpoint and a request to the frozen question, and whether it is asked at all."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from django.db.models import CharField, Q

from approvals import permissions
from approvals.answers import check_against, check_plain
from approvals.eligibility import normalise_identity
from approvals.errors import Invalid
from approvals.models import (
    AccessKey,
    ApprovalPolicy,
    Bypass,
    Decision,
    Exclusion,
    User,
)
from approvals.presets import apply_preset
from approvals.question import Question, QuestionInvalid, parse_question, render_question
from approvals.safeguards import check_silence
from approvals.services.bypasses import covering
from approvals.services.keys import renewers_of
from approvals.services.policies import published_question, safeguards_of
from approvals.tightening import tighten
from audit.prepared import PreparedRead
from reviews import rules
from reviews.flags import ALWAYS_ASKING, sentence, switched_off_by
from reviews.interactions import shaped_by
from reviews.models import Checkpoint, Queue, QueueChoice, Region, Rule, Ticket
from reviews.models.checkpoint import Risk
from reviews.services.requests import TicketRequest
from reviews.stubs import SENTENCE, stubbed

SWITCHED_OFF = "switched off"

_rules_at = PreparedRead(lambda key: Rule.objects.select_related("question").filter(checkpoint=key))


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules say about a proposal: `then` is ask, allow or deny, `by` who said so."""

    then: str
    by: str
    policy: ApprovalPolicy
    rule: dict[str, Any]
    risk: str
    priority: str
    least_people: int
    sample: float = 0  # the share of such passes people look at afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking(Judged):
    """What a checkpoint makes of a proposal, with the question as it is put."""

    question: Question
    bypass: Bypass | None = None


def judge(
    *, checkpoint: Checkpoint, request: TicketRequest, region: Region | None, now: datetime
) -> Judged:
    """Check a proposal and run the checkpoint's rules over it.

    :raises SchemaMismatch: for the proposal.
    """
    check_proposal(checkpoint, request.proposal)
    rows = _rules_at(checkpoint.pk)
    verdict = rules.judge(
        [plain_rule(row) for row in rows],
        otherwise=checkpoint.otherwise,
        proposal=request.proposal,
        schema=checkpoint.proposal_schema,
        ticket=request.facts(region),
        ai=request.ai_facts(),
        now=now,
    )
    row = next((r for r in rows if verdict.rule and r.position == verdict.rule.position), None)
    policy = row.question if row and row.question else checkpoint.question
    priority = (row.priority if row else "") or request.priority
    risk = (row.risk if row else "") or (Risk.HIGH if checkpoint.critical else checkpoint.risk)
    # Leaving out what a rule reads must not make a risk smaller.
    risk = max([risk, *(rule.risk for rule in verdict.unread if rule.risk)], key=Risk.values.index)
    least = 2 if checkpoint.critical or priority == "critical" else 1
    if checkpoint.slug in ALWAYS_ASKING:
        always = {"name": "", "then": "ask", "why": "Somebody else always looks at this."}
        return Judged("ask", "rule", policy, always, risk, priority, least)
    variable = switched_off_by(checkpoint.slug)
    if variable:
        off = {"name": SWITCHED_OFF, "why": sentence(variable)}
        return Judged("allow", "flag", policy, off, risk, priority, least)
    rule = {
        "name": verdict.rule.name if verdict.rule else "",
        "when": verdict.rule.when if verdict.rule else "",
        "then": verdict.then,
        "band": (verdict.rule.band if verdict.rule else None) or None,
        "legal_basis": (verdict.rule.legal_basis if verdict.rule else None) or None,
        "why": verdict.why,
    }
    sample = row.audit_sample if row and verdict.then == "allow" else 0
    return Judged(verdict.then, "rule", policy, rule, risk, priority, least, sample)


def ask(
    *, checkpoint: Checkpoint, request: TicketRequest, region: Region | None, now: datetime
) -> Asking:
    """Check a proposal, run the checkpoint's rules over it, and make the question ready.

    :raises Refusal: SchemaMismatch for the proposal, Invalid for what the requester asked for.
    """
    judged = judge(checkpoint=checkpoint, request=request, region=region, now=now)
    question = frozen_question(checkpoint=checkpoint, policy=judged.policy, request=request)
    bypass = _bypass(checkpoint, judged, now=now)
    rule = judged.rule
    if bypass is not None:
        rule = {**rule, "why": passes_under(bypass, rule)}
        judged = replace(judged, then="allow", by=Decision.By.BYPASS, rule=rule)
    elif judged.then == "ask" and stubbed(checkpoint.slug):
        why = f"{SENTENCE} Else people were asked: {rule['why']}" if rule.get("why") else SENTENCE
        judged = replace(judged, rule={**rule, "why": why})
    said = {each.name: getattr(judged, each.name) for each in fields(judged)}
    return Asking(**said, question=question, bypass=bypass)


def _bypass(checkpoint: Checkpoint, judged: Judged, *, now: datetime) -> Bypass | None:
    """Return the bypass under which what people would be asked passes now.

    Where the checkpoint was read together with whether any is running, and none was, no query is
    made: one that starts at this very moment begins with the next ticket.
    """
    if judged.then != "ask" or checkpoint.slug in ALWAYS_ASKING:
        return None
    if not getattr(checkpoint, "bypass_running", True):
        return None
    return covering(place=checkpoint.slug, now=now)


def passes_under(bypass: Bypass, rule: Mapping[str, Any]) -> str:
    """Return the sentence that says under which bypass something passes, and what it passed."""
    until = f"{bypass.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    asked = f" Else people were asked: {rule['why']}" if rule.get("why") else ""
    reason = bypass.reason.rstrip(".")
    return f"Bypass by {bypass.started_by.label} until {until}: {reason}.{asked}"


def check_modified(
    *,
    checkpoint: Checkpoint,
    request: TicketRequest,
    region: Region | None,
    decision: Decision,
    risk: str,
    now: datetime,
) -> None:
    """Refuse a proposal as modified that its rules deny, or would have asked otherwise about.

    :param risk: that of the ticket, by which voters showed who they are.

    :raises Refusal: SchemaMismatch for its content, Invalid for what the rules say of it.
    """
    judged = judge(checkpoint=checkpoint, request=request, region=region, now=now)
    if judged.then == "allow":
        return
    stages = decision.question["stages"]
    asked = sum(need["count"] for stage in stages for need in stage["needs"])
    problem = ""
    if judged.then == "deny":
        problem = f"{judged.rule['why']}."
    elif judged.policy.slug != decision.policy.slug or judged.least_people > asked:
        problem = "Modified like this, others must be asked; request changes instead."
    elif Risk.values.index(judged.risk) > Risk.values.index(risk):
        problem = f"Modified like this, its risk is {judged.risk}; request changes instead."
    if problem:
        raise Invalid.at("/amendments", problem)


def check_proposal(checkpoint: Checkpoint, proposal: dict[str, Any]) -> None:
    """Refuse a proposal canonical JSON cannot carry, or that its checkpoint's schema refuses.

    :raises SchemaMismatch: one error per field.
    """
    check_plain(proposal, at="/proposal")
    if checkpoint.proposal_schema:
        check_against(checkpoint.proposal_schema, proposal, at="/proposal")


def frozen_question(
    *, checkpoint: Checkpoint, policy: ApprovalPolicy, request: TicketRequest
) -> Question:
    """Return the policy's question as this request may shape it: a preset, its own form, tighter.

    :raises Invalid: for a preset the checkpoint does not offer, or anything that would loosen.
    """
    question = published_question(policy.pk)
    if request.preset:
        if request.preset not in checkpoint.presets:
            offered = ", ".join(checkpoint.presets) or "none"
            raise Invalid.at("/preset", f"`{checkpoint.slug}` offers: {offered}.")
        question = apply_preset(request.preset, onto=question)
        with _told_of("/preset", instead_of=".*"):
            check_silence(question, safeguards_of(policy))
    if request.response_schema is not None:
        with _told_of("/response_schema", instead_of=r"/options/\d+/form"):
            question = _with_form(question, request.response_schema)
    if question.options_from and all(option.effect == "none" for option in question.options):
        with _told_of("/ai"):
            question = _with_offers(question, request.ai.get("options") or [])
    if request.question:
        with _told_of("/question"):
            question = tighten(question, request.question)
    if request.interaction:
        may = safeguards_of(policy).silence_may_allow
        question = shaped_by(request.interaction, question, silence_may_allow=may)
    left = question.repeat.steps[request.step :]
    return replace(question, repeat=replace(question.repeat, steps=left))


@contextmanager
def _told_of(member: str, *, instead_of: str = "") -> Iterator[None]:
    """Turn what is wrong with a question into what is wrong with the member it came from."""
    try:
        yield
    except QuestionInvalid as problem:
        errors = [
            {**error, "pointer": member + re.sub(f"^{instead_of}", "", error["pointer"])}
            for error in problem.errors
        ]
        raise Invalid(errors=errors) from problem


def _with_form(question: Question, form: dict[str, Any]) -> Question:
    """Give the requester's form to every option that only answers and has none of its own."""
    options = tuple(
        replace(option, form=form) if option.effect == "answer" and option.form is None else option
        for option in question.options
    )
    if options == question.options:
        message = "No option of this question takes a form; name the preset `input`."
        raise Invalid.at("/response_schema", message)
    # Read it back, so that a form is bounded like any other.
    return parse_question(render_question(replace(question, options=options)))


def _with_offers(question: Question, offers: list[dict[str, Any]]) -> Question:
    rendered = render_question(question)
    offered = [
        {"key": offer.get("key"), "label": offer.get("label", offer.get("key")), "effect": "answer"}
        for offer in offers
    ]
    rendered["options"] = [*offered, *rendered["options"]]
    rendered["options_from"] = None
    if not offers:
        message = "This question needs the options the AI offers: send ai.options."
        raise Invalid.at("/ai/options", message)
    return parse_question(rendered)


def plain_rule(row: Rule) -> rules.Rule:
    """Return a stored rule as the pure ones read it."""
    return rules.Rule(
        position=row.position,
        name=row.name,
        when=row.when,
        then=row.then,
        band=row.band,
        priority=row.priority or None,
        risk=row.risk or None,
        legal_basis=row.legal_basis,
        state=row.state,
        expires_at=row.expires_at,
        question_id=str(row.question_id) if row.question_id else None,
    )


_choices_at = PreparedRead(
    lambda key: QueueChoice.objects.select_related("queue").filter(
        Q(checkpoint__isnull=True) | Q(checkpoint=key)
    )
)
_queue_called = PreparedRead(
    lambda slug: Queue.objects.filter(slug=slug), field=CharField(), probe="no such queue"
)


def choose_queue(*, checkpoint: Checkpoint, region: Region | None) -> Queue:
    """Return the queue of the first line that fits the checkpoint and region; `general` catches."""
    for choice in _choices_at(checkpoint.pk):
        if choice.region_id in (None, region.pk if region else None):
            return choice.queue
    (general,) = _queue_called("general")
    return general


def own_work_of(
    *,
    requester: User,
    key: AccessKey | None,
    on_behalf_of: str,
    editors: tuple[User, ...] = (),
    now: datetime,
) -> tuple[dict[int, str], User | None]:
    """Return whose work a ticket is ({user id: why}), and the person it is opened for, if known.

    Two accounts of one person share their normalised mail address, so both are excluded; and so
    is who votes for one of them now.
    """
    named = _people_called(on_behalf_of)
    why: dict[str, str] = {user.identity: Exclusion.Why.EDITOR for user in editors}
    why |= {person.identity: Exclusion.Why.ON_BEHALF_OF for person in named}
    if key is not None:
        keepers = [key.owner, *renewers_of(key)]
        if key.made_by_id != key.owner_id and key.made_by is not None:
            keepers.append(key.made_by)
        why |= {person.identity: Exclusion.Why.KEY_OWNER for person in keepers}
    if not requester.is_machine:
        why[requester.identity] = Exclusion.Why.REQUESTER
    excluded = {
        person: why.get(identity, Exclusion.Why.DELEGATE)
        for person, identity in permissions.authors_and_delegates(why, now=now)
    }
    return excluded, named[0] if named else None


def exclude_latecomer(*, ticket: Ticket, decision: Decision, now: datetime) -> None:
    """Exclude whom a ticket is for, where no account bore the name when it was opened."""
    if not ticket.on_behalf_of or ticket.beneficiary_id is not None:
        return
    excluded, _ = own_work_of(
        requester=ticket.requester,
        key=ticket.access_key,
        on_behalf_of=ticket.on_behalf_of,
        now=now,
    )
    why = Exclusion.Why.ON_BEHALF_OF
    late = [
        Exclusion(decision=decision, user_id=one, why=why)
        for one in excluded
        if excluded[one] == why
    ]
    Exclusion.objects.bulk_create(late, ignore_conflicts=True)


def _people_called(name: str) -> list[User]:
    """Return the people a requester may mean by a user name or mail address, best match first."""
    identity = normalise_identity(name)
    if not identity:
        return []
    called = Q(identity=identity) | Q(username__iexact=identity) | Q(username__iexact=name.strip())
    people = User.objects.filter(called, kind=User.Kind.HUMAN).order_by("pk")
    spelt = {name.strip().casefold(), identity}
    return sorted(
        people, key=lambda p: spelt.isdisjoint({p.username.casefold(), p.email.casefold()})
    )
