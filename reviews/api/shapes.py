"""What answers look like, for the interface's description. Values are made in `answers`."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.serializers import (
    BooleanField,
    CharField,
    DateTimeField,
    FloatField,
    IntegerField,
    ListField,
    Serializer,
    UUIDField,
)

from reviews.models import Ticket
from reviews.models.checkpoint import Priority


@extend_schema_field({"type": "object", "additionalProperties": {}})
class Object(serializers.JSONField):
    """Any object."""


@extend_schema_field({})
class Value(serializers.JSONField):
    """Any value."""


class Maybe(CharField):
    """A text; null where it is empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, **options)

    def to_representation(self, value: Any) -> Any:
        """Return it."""
        return value or None


class RuleAnswer(Serializer[Any]):
    """What asked or passed."""

    name = CharField()
    when = CharField(required=False)
    then = CharField(required=False)
    band = CharField(allow_null=True, required=False)
    legal_basis = CharField(allow_null=True, required=False)
    why = CharField()


class DecisionAnswer(Serializer[Any]):
    """The answer as it stands. `by` tells a person's from a machine's."""

    outcome = CharField(allow_null=True)
    by = CharField()
    timeout_applied = BooleanField()
    comments = CharField(allow_null=True)
    amendments = Object(allow_null=True)
    response = Object(allow_null=True)
    settled_at = DateTimeField(
        allow_null=True, help_text="Null while what is asked about after the act only stands."
    )
    final_at = DateTimeField(allow_null=True)
    revocable_until = DateTimeField(allow_null=True)
    revoked_at = DateTimeField(allow_null=True)
    revoked_seen_at = DateTimeField(
        allow_null=True, help_text="When who asked acknowledged the revocation."
    )


class TicketListAnswer(Serializer[Any]):
    """A ticket in a list."""

    id = UUIDField()
    ref = CharField()
    reference = CharField(allow_null=True)
    checkpoint = CharField()
    title = CharField()
    summary = CharField()
    status = serializers.ChoiceField(Ticket.Status.values)
    allowed = BooleanField(
        allow_null=True, help_text="Read this one: true go ahead, false do not, null not yet."
    )
    version = IntegerField()
    round = IntegerField()
    previous = UUIDField(allow_null=True, help_text="The ticket this one follows.")
    second_look = serializers.ChoiceField(
        ["sample", "request"],
        allow_null=True,
        help_text="Why people look at what `previous` was decided by a rule.",
    )
    digest = CharField()
    action_digest = CharField()
    rule = RuleAnswer(allow_null=True)
    decision = DecisionAnswer(allow_null=True)
    comments = CharField(allow_null=True, help_text="The deciding reason; null while pending.")
    approved = Object(allow_null=True, help_text="Exactly what was approved.")
    proposal = Object()
    ai = Object()
    priority = serializers.ChoiceField(Priority.values)
    risk = CharField()
    region = CharField(allow_null=True)
    queue = CharField()
    domain = CharField(allow_null=True)
    impact = CharField(allow_null=True)
    amount = CharField(allow_null=True)
    financial_impact = FloatField(allow_null=True)
    compliance = BooleanField()
    novel_pattern = BooleanField()
    labels = ListField(child=CharField())
    preset = CharField(allow_null=True)
    interaction = Object()
    ui_schema = Object(allow_null=True)
    pipeline = Object(allow_null=True)
    on_behalf_of = CharField(allow_null=True)
    callback_url = CharField(allow_null=True)
    created_at = DateTimeField()
    due_at = DateTimeField()
    expires_at = DateTimeField()
    closed_at = DateTimeField(allow_null=True)
    links = Object()


class PersonVoteAnswer(Serializer[Any]):
    """How one person answered."""

    name = CharField()
    label = CharField(help_text="`Ben for Ann`, where Ann lent Ben her vote.")  # type: ignore[assignment]
    on_behalf_of = CharField(allow_null=True, help_text="Whose vote it is, where it was lent.")
    choice = CharField()
    comment = CharField(allow_null=True)
    at = DateTimeField()


class TallyAnswer(Serializer[Any]):
    """Where the question stands."""

    needed = IntegerField()
    approvals = IntegerField()
    rejections = IntegerField()
    eligible_left = IntegerField(allow_null=True, help_text="Null once settled.")
    stage = IntegerField()
    people = PersonVoteAnswer(many=True)


class LenderAnswer(Serializer[Any]):
    """Somebody who lends the caller their vote."""

    name = CharField()
    label = CharField()  # type: ignore[assignment]
    until = DateTimeField()


class ViewerAnswer(Serializer[Any]):
    """What the caller may do, and why not vote."""

    can = ListField(child=CharField())
    why_not = CharField(allow_null=True)
    why_not_detail = CharField(allow_null=True)
    acting_for = LenderAnswer(
        many=True, help_text="Whose vote it would be, where it is not the caller's own."
    )


class VoteAnswer(Serializer[Any]):
    """One vote."""

    id = UUIDField()
    name = CharField()
    label = CharField(help_text="`Ben for Ann`, where Ann lent Ben her vote.")  # type: ignore[assignment]
    on_behalf_of = CharField(allow_null=True, help_text="Whose vote it is, where it was lent.")
    choice = CharField()
    reason = CharField()
    response = Object(allow_null=True)
    amendments = Object(allow_null=True)
    version = IntegerField()
    digest = CharField()
    channel = CharField()
    at = DateTimeField()
    withdrawn_at = DateTimeField(allow_null=True)


class ActorAnswer(Serializer[Any]):
    """Who did it."""

    id = CharField(source="actor_id")
    kind = CharField(source="actor_kind")
    label = CharField(source="actor_label")  # type: ignore[assignment]


class EventAnswer(Serializer[Any]):
    """One fact of the hash-chained story."""

    id = UUIDField()
    seq = IntegerField()
    type = CharField()
    at = DateTimeField()
    actor = ActorAnswer(source="*")
    channel = CharField()
    reason = CharField()
    data = Object()  # type: ignore[assignment]
    personal = Object()
    field_commitments = Object()
    previous_hash = CharField()
    hash = CharField()


class SimilarAnswer(Serializer[Any]):
    """A case of the same checkpoint that was decided before."""

    id = UUIDField()
    ref = CharField()
    title = CharField()
    status = CharField()
    outcome = CharField(allow_null=True)
    prediction = Value(allow_null=True)
    created_at = DateTimeField()


class TicketAnswer(TicketListAnswer):
    """A ticket."""

    policy = Object(help_text="The question as it was frozen.")
    tally = TallyAnswer()
    viewer = ViewerAnswer()
    votes = VoteAnswer(many=True, required=False)
    events = EventAnswer(many=True, required=False)
    similar = SimilarAnswer(many=True, required=False)


class DryRunAnswer(Serializer[Any]):
    """What opening this ticket would do."""

    dry_run = BooleanField()
    then = serializers.ChoiceField(["ask", "allow", "deny"])
    status = CharField()
    allowed = BooleanField(allow_null=True)
    rule = RuleAnswer(allow_null=True)
    priority = CharField()
    risk = CharField()
    queue = CharField()
    policy = Object()
    needed = IntegerField()
    eligible = IntegerField(allow_null=True, help_text="How many people could vote now.")
    due_at = DateTimeField()
    expires_at = DateTimeField()


class BulkResultAnswer(Serializer[Any]):
    """What became of one of the tickets."""

    status = IntegerField()
    ticket = TicketListAnswer(required=False)
    would = DryRunAnswer(required=False, help_text="With `dry_run=true`, instead of the ticket.")
    problem = Object(required=False)


class BulkAnswer(Serializer[Any]):
    """What became of each, in the order they were sent."""

    opened = IntegerField()
    refused = IntegerField()
    results = BulkResultAnswer(many=True)


class VotedAnswer(Serializer[Any]):
    """The vote, where the question stands, and the ticket."""

    vote = VoteAnswer()
    tally = TallyAnswer()
    ticket = TicketAnswer()


class ClaimAnswer(Serializer[Any]):
    """Who holds the ticket, until when."""

    by = CharField()
    until = DateTimeField(allow_null=True, help_text="Null: until somebody gives it back.")
    ticket = TicketAnswer()


class CommentAnswer(Serializer[Any]):
    """A remark on a ticket."""

    id = UUIDField()
    name = CharField(source="author.username")
    label = CharField(source="author.label")  # type: ignore[assignment]
    text = CharField()
    at = DateTimeField()


class InteractionStateAnswer(Serializer[Any]):
    """Where an interaction stands."""

    interaction_id = UUIDField()
    status = CharField(help_text="`pending`, `completed`, `expired` or `cancelled`.")
    created_at = DateTimeField()
    expires_at = DateTimeField()


class InteractionAnswer(InteractionStateAnswer):
    """An interaction with its form."""

    ui_schema = Object()
    data = Object()  # type: ignore[assignment]
    version = IntegerField()


class AcceptedAnswer(Serializer[Any]):
    """An answer that counts."""

    status = CharField(help_text="`accepted`")
    message = CharField()


class DoneAnswer(Serializer[Any]):
    """It is done."""

    status = CharField(help_text="`ok`")


class ReceiptAnswer(Serializer[Any]):
    """The signed statement."""

    receipt = CharField(help_text="A JWT, EdDSA; keys at /.well-known/jwks.json.")


class ConsumedAnswer(Serializer[Any]):
    """The stamp; `result` is null until it is recorded."""

    consumption_id = UUIDField()
    ticket_id = UUIDField()
    action_digest = CharField()
    consumed_at = DateTimeField()
    result = CharField(allow_null=True)
    recorded_at = DateTimeField(allow_null=True)
    next = UUIDField(
        allow_null=True,
        required=False,
        help_text="Told with the result: the ticket that asks about the next step of a rollout.",
    )


class CheckpointRuleAnswer(Serializer[Any]):
    """One rule of a checkpoint; for people who may look at checkpoints."""

    position = IntegerField()
    name = CharField()
    when = CharField()
    then = CharField()
    band = Maybe()
    priority = Maybe()
    risk = Maybe()
    legal_basis = Maybe()
    state = CharField()
    expires_at = DateTimeField(allow_null=True)


class CheckpointAnswer(Serializer[Any]):
    """A kind of decision."""

    slug = CharField()
    title = CharField()
    reference = CharField(allow_null=True)
    effect_sentence = CharField(allow_null=True)
    proposal_schema = Object()
    presets = ListField(child=CharField())
    otherwise = CharField()
    critical = BooleanField()
    risk = CharField()
    asks = BooleanField(help_text="False while a feature flag lets everything pass.")
    enabled = BooleanField(help_text="The same as `asks`.")
    switched_off_by = CharField(allow_null=True, help_text="The variable that switched it off.")
    policy = CharField()
    paused = BooleanField(help_text="True while an alert here waits to be acknowledged.")
    rules = CheckpointRuleAnswer(many=True, required=False)


class MeAnswer(Serializer[Any]):
    """Who calls."""

    id = IntegerField()
    username = CharField()
    label = CharField()  # type: ignore[assignment]
    kind = CharField(help_text="`human` or `machine`.")
    email = CharField(allow_null=True)
    time_zone = CharField()
    roles = ListField(child=CharField())
    regions = ListField(child=CharField())
    queues = ListField(child=CharField())
    domains = ListField(child=CharField())
    scopes = ListField(child=CharField(), allow_null=True, help_text="Null for a session.")
