"""The checkpoints that come with the service, as they are loaded into the database.

`general` takes anything and always asks one reviewer. The other four guard operations; each has
rules that say when a person is asked, and lets pass what meets none of them.
"""

from copy import deepcopy
from typing import Any

from approvals.presets import PRESETS
from reviews.flags import BYPASS_REVIEW
from reviews.ready.roles import ADMIN, LEAD, MANAGER

Json = dict[str, Any]

# Who may replace or revoke what was decided here, besides those whose votes counted.
OVERRIDE_ROLES = (LEAD, MANAGER, ADMIN)

_OPERATIONS_TIMING: Json = {"escalate": [{"after": "PT12H", "role": LEAD}], "expires": "PT24H"}


def _asked_like(preset: str, *, options: list[Json] | None = None, **timing: Any) -> Json:
    question = deepcopy(PRESETS[preset])
    question["timing"] |= {**_OPERATIONS_TIMING, **timing}
    if options is not None:
        question["options"] = options
    return question


def _schema(required: list[str], **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": required}


def _shown(**labels: str | Json) -> Json:
    """Return a view: the fields in their order, each with its label or with more than that."""
    return {
        "fields": [
            {"name": name, **({"label": shown} if isinstance(shown, str) else shown)}
            for name, shown in labels.items()
        ]
    }


def _rule(name: str, when: str, **more: Any) -> Json:
    return {"name": name, "when": when, "then": "ask", **more}


_MONEY: Json = {"type": "number", "minimum": 0}
_COUNT: Json = {"type": "integer", "minimum": 0}
_TEXT: Json = {"type": "string", "minLength": 1}
# Measures differ from caller to caller: named figures, or a list of lines.
_FREE: Json = {"type": ["object", "array"]}

_ACKNOWLEDGED = {"acknowledged": True}


def _acknowledgement(key: str, label: str, *required: str, **fields: Json) -> Json:
    form = {"type": "object", "properties": fields, "required": list(required)} if fields else None
    return {
        "key": key,
        "label": label,
        "effect": "answer",
        "reason": "optional",
        "form": form,
        "carries": _ACKNOWLEDGED,
    }


GENERAL: Json = {
    "slug": "general",
    "title": "General review",
    "reference": "",
    "effect_sentence": "",
    "proposal_schema": {},
    "view": {},
    "rules": [],
    "otherwise": "ask",
    "risk": "low",
    "critical": False,
    "presets": [name for name in PRESETS if name != "post-approval"],
    "question": PRESETS["review"],
}

DATA_PURCHASE: Json = {
    "slug": "data-purchase",
    "title": "Data purchase",
    "reference": "P1-021",
    "effect_sentence": "Buys data on {business_count} businesses for {total_cost}.",
    "proposal_schema": _schema(
        ["business_count", "total_cost", "quality_metrics", "justification"],
        business_count={**_COUNT, "title": "Businesses"},
        total_cost={**_MONEY, "title": "Total cost"},
        quality_metrics={**_FREE, "title": "Quality"},
        justification={**_TEXT, "title": "Justification"},
        provider={"type": "string", "title": "Provider"},
    ),
    "view": _shown(
        total_cost="Estimated cost",
        business_count="Businesses",
        provider="Provider",
        quality_metrics="Quality",
        justification="Justification",
    ),
    "rules": [
        _rule("Cost above 100", "total_cost > 100"),
        _rule("More than 1000 businesses", "business_count > 1000"),
    ],
    "otherwise": "allow",
    "risk": "medium",
    "critical": False,
    "presets": ["review", "approval"],
    "question": _asked_like("review"),
}

EMAIL_CAMPAIGN: Json = {
    "slug": "email-campaign",
    "title": "E-mail campaign",
    "reference": "P1-017",
    "effect_sentence": "Sends the campaign to {recipient_count} people, one hour after approval.",
    "proposal_schema": _schema(
        [
            "recipient_count",
            "segments",
            "sample_emails",
            "send_time_estimate",
            "compliance_checklist",
        ],
        recipient_count={**_COUNT, "title": "Recipients"},
        segments={"type": "array", "title": "Segments"},
        sample_emails={
            "type": "array",
            "title": "Sample e-mails",
            "minItems": 5,
            "maxItems": 10,
            "items": {
                "type": "object",
                "properties": {"subject": _TEXT, "body": _TEXT},
                "required": ["subject", "body"],
            },
        },
        send_time_estimate={"type": ["string", "number"], "title": "Estimated send time"},
        compliance_checklist={**_FREE, "title": "Compliance checklist"},
        new_template={"type": "boolean", "title": "New template", "default": False},
        high_value_segment={"type": "boolean", "title": "High-value segment", "default": False},
    ),
    "view": _shown(
        recipient_count="Recipients",
        segments="Segments",
        send_time_estimate="Estimated send time",
        new_template="New template",
        high_value_segment="High-value segment",
        compliance_checklist={"label": "Compliance checklist", "kind": "checklist"},
        sample_emails={"label": "Sample e-mails", "kind": "samples"},
    ),
    "rules": [
        _rule("More than 100 recipients", "recipient_count > 100"),
        _rule("New template", "new_template"),
        _rule("High-value segment", "high_value_segment"),
    ],
    "otherwise": "allow",
    "risk": "medium",
    "critical": False,
    "presets": ["review", "approval"],
    # For an hour the decision can still be changed or the campaign cancelled.
    "question": _asked_like("review", hold="PT1H"),
}

COST_THRESHOLD: Json = {
    "slug": "cost-threshold",
    "title": "Cost threshold",
    "reference": "P0-010",
    "effect_sentence": "High-cost operations wait until somebody says how to go on.",
    "proposal_schema": _schema(
        [
            "daily_spend",
            "daily_budget",
            "operation_cost",
            "projected_month",
            "monthly_budget",
            "breakdown",
        ],
        daily_spend={**_MONEY, "title": "Spent today"},
        daily_budget={**_MONEY, "title": "Daily budget"},
        operation_cost={**_MONEY, "title": "Cost of this operation"},
        projected_month={**_MONEY, "title": "Projected for the month"},
        monthly_budget={**_MONEY, "title": "Monthly budget"},
        breakdown={
            "type": "object",
            "title": "By service",
            "additionalProperties": {"type": "number"},
        },
    ),
    "view": _shown(
        daily_spend="Spent today",
        daily_budget="Daily budget",
        operation_cost="Cost of this operation",
        projected_month="Projected for the month",
        monthly_budget="Monthly budget",
        breakdown={"label": "By service", "kind": "breakdown"},
    ),
    "rules": [
        _rule("Above 80 % of the daily budget", "daily_spend > daily_budget * 0.8"),
        _rule("One operation above 50", "operation_cost > 50"),
        _rule("Month projected above budget", "projected_month > monthly_budget"),
    ],
    "otherwise": "allow",
    "risk": "medium",
    "critical": False,
    "presets": [],
    # Nobody's silence is an acknowledgement: unanswered, the alert expires and nothing goes on.
    "question": _asked_like(
        "acknowledgement",
        options=[
            _acknowledgement(
                "increase_budget",
                "Increase the budget",
                "new_limit",
                new_limit={"type": "number", "title": "New limit", "exclusiveMinimum": 0},
            ),
            _acknowledgement(
                "pause_services",
                "Pause services",
                "services",
                services={
                    "type": "array",
                    "title": "Services to pause",
                    "items": {"type": "string", "minLength": 1},
                    "minItems": 1,
                },
            ),
            _acknowledgement("continue", "Continue as it is"),
            _acknowledgement("stricter_controls", "Control more strictly"),
        ],
    ),
}

AI_UPGRADE: Json = {
    "slug": "ai-upgrade",
    "title": "AI upgrade",
    "reference": "P1-024",
    "effect_sentence": "Moves this step of the traffic from {current_model} to {new_model}.",
    "proposal_schema": _schema(
        [
            "current_model",
            "new_model",
            "current_output",
            "new_output",
            "cost_difference",
            "quality_metrics",
        ],
        current_model={**_TEXT, "title": "Current model"},
        new_model={**_TEXT, "title": "New model"},
        current_output={"title": "Current output"},
        new_output={"title": "New output"},
        cost_difference={"type": "number", "title": "Cost difference"},
        quality_metrics={**_FREE, "title": "Quality per model"},
        experimental={"type": "boolean", "title": "Experimental feature", "default": False},
        baseline_distance={"type": "number", "title": "Distance from baseline", "default": 0},
    ),
    "view": _shown(
        current_model="Current model",
        new_model="New model",
        cost_difference="Cost difference",
        experimental="Experimental feature",
        baseline_distance="Distance from baseline",
        current_output="Current output",
        new_output={
            "label": "New output",
            "heading": "Current and new output",
            "kind": "compare",
            "before": "current_output",
            "names": ["current_model", "new_model"],
            "metrics": "quality_metrics",
        },
        quality_metrics="Quality per model",
    ),
    "rules": [
        _rule("Another model", "current_model != new_model"),
        _rule("Experimental feature", "experimental"),
        _rule("Far from the baseline", "baseline_distance > 0.3"),
    ],
    "otherwise": "allow",
    "risk": "high",
    "critical": False,
    "presets": [],
    "question": _asked_like("stepwise"),
}

# Opened by the service alone, after each bypass. It waits until a manager has answered; where
# there is none besides the person who started it, administrators are asked.
AFTER_BYPASS: Json = {
    "slug": BYPASS_REVIEW,
    "title": "Bypass review",
    "reference": "",
    "effect_sentence": "Closes the bypass of {by}; tickets that passed under it: {passed}.",
    "proposal_schema": {},
    "view": _shown(
        by="Started by",
        reason="Reason",
        incident="Incident",
        scope="What passed",
        **{"from": "From", "until": "Until"},
        ended="Ended",
        passed="Tickets that passed",
        tickets={"label": "Tickets", "kind": "tickets"},
        not_listed="Not listed here",
    ),
    "rules": [],
    "otherwise": "ask",
    "risk": "medium",
    "critical": False,
    "presets": [],
    "question": {
        **deepcopy(PRESETS["approval"]),
        "options": [
            {"key": "in_order", "label": "In order", "effect": "answer"},
            {
                "key": "not_in_order",
                "label": "Not in order",
                "effect": "answer",
                "reason": "required",
            },
        ],
        "stages": [{"name": "Review", "needs": [{"role": MANAGER, "count": 1}]}],
        "timing": {
            **deepcopy(PRESETS["approval"]["timing"]),
            "due": "P1D",
            "escalate": [{"after": "P2D", "role": ADMIN}],
            "expires": "P365D",
            "silence": None,
            "revocable": "PT0S",
        },
    },
}

READY = (GENERAL, DATA_PURCHASE, EMAIL_CAMPAIGN, COST_THRESHOLD, AI_UPGRADE)
