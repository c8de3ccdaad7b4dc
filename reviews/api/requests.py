"""What callers may send: every member named, typed and bounded."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from approvals.api.fields import (
    Anything,
    Choice,
    Flag,
    Instant,
    Money,
    Real,
    Scalar,
    StrictSerializer,
    Text,
    Thing,
    Things,
    Whole,
    shown,
)
from approvals.api.views import PageQuery
from approvals.errors import Invalid
from approvals.presets import PRESETS
from reviews.api.collaboration import asked_of
from reviews.forms import ui_schema
from reviews.models import Ticket
from reviews.models.checkpoint import Priority
from reviews.outbound import why_refused
from reviews.services.requests import TicketRequest

PROPOSAL_MOST = 256 * 1024
SMALL = 64 * 1024
_ADDRESS = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)
_SHORT_REF = re.compile(r"[Tt]-\d+")
_TEN_YEARS = 10 * 365 * 24 * 3600


def texts(*, most: int, each: int) -> serializers.ListField:
    """Return a field for a list of short texts."""
    return serializers.ListField(child=Text(max_length=each), max_length=most, required=False)


class FeatureRequest(StrictSerializer):
    """What weighed in the AI's decision."""

    name = Text(max_length=200)
    value = Anything(most=4096, required=False, allow_null=True)
    importance = Real(required=False, min_value=-1e9, max_value=1e9)


class OfferRequest(StrictSerializer):
    """One answer the AI offers."""

    key = Text(max_length=80)
    label = Text(max_length=200, required=False)  # type: ignore[assignment]
    confidence = Real(required=False, min_value=0, max_value=1)
    pros = texts(most=20, each=500)
    cons = texts(most=20, each=500)


class AiRequest(StrictSerializer):
    """What the AI decided, how sure it was, and why."""

    prediction = Scalar(most=4096, required=False)
    confidence = Real(required=False, min_value=0, max_value=1)
    model = Text(max_length=200, required=False)
    reasoning = Text(max_length=20_000, required=False, lines=True, allow_blank=True)
    features = FeatureRequest(  # type: ignore[call-arg]
        many=True, required=False, max_length=200
    )
    options = OfferRequest(  # type: ignore[call-arg]
        many=True, required=False, max_length=50
    )


class PipelineRequest(StrictSerializer):
    """Where a paused pipeline goes on; the answer is merged over `state`."""

    name = Text(max_length=200, required=False)
    step = Text(max_length=200, required=False)
    state = Thing(most=PROPOSAL_MOST, required=False)


class InteractionRequest(StrictSerializer):
    """How a pipeline step wants to be answered."""

    stakeholders = texts(most=100, each=254)
    approvers = texts(most=100, each=254)
    approval_type = Choice(["all", "majority", "any"], required=False)
    decision_type = Choice(["consensus", "majority"], required=False)
    voting_options = texts(most=50, each=80)
    iteration = Whole(required=False, min_value=0, max_value=1000)
    max_iterations = Whole(required=False, min_value=1, max_value=100)
    refinement_history = Things(most=SMALL, required=False)
    partial_result = Anything(most=SMALL, required=False, allow_null=True)
    escalation_reason = Text(max_length=2000, required=False, lines=True)
    confidence_threshold = Real(required=False, min_value=0, max_value=1)
    default_action = Text(max_length=80, required=False)


@extend_schema_field({"type": "string", "format": "uri", "minLength": 1, "maxLength": 500})
class Address(Text):
    """An http or https address."""

    def to_internal_value(self, data: Any) -> str:
        """Return it. What no call could ever reach is refused now, the rest when it is called."""
        address = super().to_internal_value(data)
        if not _ADDRESS.fullmatch(address) or not address.isprintable():
            raise serializers.ValidationError("Send an http or https address.")
        if why := why_refused(address):
            raise serializers.ValidationError(why)
        return address


class ContentRequest(StrictSerializer):
    """What may differ from round to round."""

    title = Text(max_length=200, required=False)
    summary = Text(max_length=500, required=False)
    ai = AiRequest(required=False)
    priority = Choice(Priority.values, required=False)
    domain = Text(max_length=80, required=False)
    impact = Text(max_length=400, required=False)
    amount = Money(max_digits=16, decimal_places=2, required=False)
    financial_impact = Real(required=False, min_value=0, max_value=1)
    compliance = Flag(required=False)
    novel_pattern = Flag(required=False)
    labels = texts(most=20, each=50)
    preset = Choice(list(PRESETS), required=False)
    question = Thing(most=SMALL, required=False)
    response_schema = Thing(most=SMALL, required=False)
    ui_schema = Thing(most=SMALL, required=False)
    interaction = InteractionRequest(required=False)
    expires_at = Instant(required=False)
    timeout_seconds = Whole(required=False, min_value=1, max_value=_TEN_YEARS)
    pipeline = PipelineRequest(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse two members that say the same thing."""
        for one, other in (("expires_at", "timeout_seconds"), ("response_schema", "ui_schema")):
            if one in attrs and other in attrs:
                raise serializers.ValidationError({other: [f"Send this or {one}, not both."]})
        return attrs


class TicketCreateRequest(ContentRequest):
    """A ticket; only `title` or `proposal` is required."""

    unknown = "This is not a member of a ticket: put `{name}` inside `proposal`."

    checkpoint = serializers.SlugField(max_length=60, default="general")
    proposal = Thing(most=PROPOSAL_MOST, required=False)
    reference = Text(max_length=200, required=False)
    region = Text(max_length=80, required=False)
    callback_url = Address(max_length=500, required=False)
    on_behalf_of = Text(max_length=254, required=False)
    previous = Text(max_length=200, required=False)

    def validate_reference(self, value: str) -> str:
        """Refuse a reference that no address could carry, or that reads like a ref of ours."""
        if "/" in value or "\\" in value or value in {".", ".."} or not value.isprintable():
            raise serializers.ValidationError(
                "A reference stands in addresses: visible characters without slashes."
            )
        if _SHORT_REF.fullmatch(value):
            raise serializers.ValidationError("T- and a number is how we name tickets ourselves.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a ticket that says nothing."""
        if not attrs.get("title") and not attrs.get("proposal"):
            raise serializers.ValidationError({"title": ["Send a title or a proposal."]})
        return super().validate(attrs)


class TicketResubmitRequest(ContentRequest):
    """Changed content; what is left out stays as it was."""

    proposal = Thing(most=PROPOSAL_MOST)
    version = Whole(required=False, min_value=1, max_value=2**31 - 1)


def ticket_request(given: dict[str, Any]) -> TicketRequest:
    """Return what a checked body asks for, as the services read it."""
    known = {**given, **shaped(given)}
    known.pop("ui_schema", None)
    proposal = known.setdefault("proposal", {})
    if "title" not in known:
        known["title"] = proposed_title(proposal)
    if "labels" in known:
        known["labels"] = tuple(dict.fromkeys(known["labels"]))
    return TicketRequest(**known)


def proposed_title(proposal: dict[str, Any]) -> str:
    """Return the title a proposal gives itself, cut to length; empty where it has none."""
    title = proposal.get("title")
    return " ".join(title.split())[:200] if isinstance(title, str) else ""


def shaped(given: dict[str, Any]) -> dict[str, Any]:
    """Return what `ui_schema` and `interaction` stand for: the preset, the form, the question.

    :raises Invalid: for one that cannot be read.
    """
    shape = _formed(given)
    interaction = given.get("interaction")
    if interaction:
        preset = given.get("preset") or shape.get("preset") or ""
        wanted = asked_of(interaction, preset=preset)
        if "question" in wanted:
            # What the caller says in `question` itself is the more exact word.
            wanted["question"] = {**wanted["question"], **given.get("question", {})}
        shape |= wanted
    return shape


def _formed(given: dict[str, Any]) -> dict[str, Any]:
    schema = given.get("ui_schema")
    if not schema:
        return {}
    try:
        preset = given.get("preset") or ui_schema.preset_of(schema)
        form = ui_schema.form_of(schema)
    except ui_schema.UiSchemaInvalid as problem:
        raise Invalid(
            errors=[
                {**error, "pointer": f"/ui_schema{error['pointer']}"} for error in problem.errors
            ]
        ) from problem
    shape: dict[str, Any] = {"interaction": {**given.get("interaction", {}), "ui_schema": schema}}
    if preset:
        shape["preset"] = preset
    if ui_schema.takes_form(preset) and form["properties"]:
        shape["response_schema"] = form
    return shape


class TicketBulkRequest(serializers.Serializer[Any]):
    """Up to 500 tickets; each is answered for itself."""

    tickets = TicketCreateRequest(many=True, max_length=500)  # type: ignore[call-arg]


class Secret(serializers.CharField):
    """What confirms who somebody is, where the policy asks for it with the vote."""

    def __init__(self, **options: Any) -> None:
        given = {"max_length": 200, "required": False, "trim_whitespace": False}
        super().__init__(**{**given, "write_only": True, **options})


class VoteCreateRequest(StrictSerializer):
    """One person's answer."""

    choice = Text(max_length=80)
    reason = Text(max_length=4000, required=False, lines=True, allow_blank=True)
    amendments = Thing(most=PROPOSAL_MOST, required=False, allow_null=True)
    response = Thing(most=SMALL, required=False, allow_null=True)
    version = Whole(required=False, min_value=1, max_value=2**31 - 1)
    on_behalf_of = Text(
        max_length=150,
        required=False,
        help_text="User name or id of somebody who lends you their vote. Left out: your own right, "
        "else that of the only one who lends you one here.",
    )
    password = Secret()
    code = Secret()


class ReasonRequest(StrictSerializer):
    """Why."""

    reason = Text(max_length=4000, required=False, lines=True, allow_blank=True)


class CommentCreateRequest(StrictSerializer):
    """A remark."""

    text = Text(max_length=4000, lines=True)


class NothingRequest(StrictSerializer):
    """Nothing."""


class ReceiptConsumeRequest(StrictSerializer):
    """Use an approval up before executing it."""

    nonce = Text(max_length=128)
    digest = serializers.RegexField(
        r"^[0-9a-f]{64}$", error_messages={"invalid": "A digest is 64 lower-case hex digits."}
    )


class ReceiptResultRequest(StrictSerializer):
    """How the execution went."""

    consumption_id = serializers.UUIDField(format="hex_verbose")
    result = Text(max_length=40)
    detail = Anything(most=16 * 1024, required=False, allow_null=True)


class Words(serializers.CharField):
    """Words separated by commas, each one of `choices`."""

    def __init__(self, choices: list[str], **options: Any) -> None:
        self.choices = choices
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        """Return the set of words."""
        words = {word.strip() for word in super().to_internal_value(data).split(",")}
        wrong = sorted(words - set(self.choices))
        if wrong:
            known = ", ".join(self.choices)
            raise serializers.ValidationError(f"`{shown(wrong[0])}` is none of {known}.")
        return words


class TicketQuery(PageQuery):
    """Which tickets."""

    status = Words(Ticket.Status.values, required=False, max_length=200)
    checkpoint = serializers.SlugField(required=False, max_length=60)
    region = Text(required=False, max_length=80)
    priority = Words(Priority.values, required=False, max_length=200)
    assignee = Choice(["me"], required=False)
    created_after = Instant(required=False)
    q = Text(required=False, max_length=200)


class CreateQuery(StrictSerializer):
    """Whether to do it, or only to tell what would happen."""

    dry_run = Choice(["true", "false"], required=False)


class ExpandQuery(StrictSerializer):
    """What to answer in addition."""

    expand = Words(["votes", "events", "similar"], required=False, max_length=100)
