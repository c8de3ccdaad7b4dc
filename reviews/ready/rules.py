"""Rules that come ready to be added to a checkpoint, each with its legal basis.

They name only what every ticket has (`ticket.` and `ai.`), so they hold under any schema. Each
asks a person, so adding one never lets anything through.
"""

from typing import Any, NamedTuple

Json = dict[str, Any]

_AI_ACT = "EU AI Act (2024/1689), Art. 14: people oversee high-risk AI"
_GDPR = "GDPR Art. 22: no decision by a machine alone where it concerns somebody deeply"
_CREDIT = "ECOA (Reg. B, 12 CFR 1002.9) and FCRA § 615: a refused credit is explained"
_DEVICES = "EU MDR 2017/745 and FDA device rules: a physician confirms a diagnosis"

TEMPLATES: dict[str, Json] = {
    "medical-diagnosis": {
        "name": "Medical diagnosis",
        "when": 'ticket.domain == "medical" and ticket.impact == "diagnosis"',
        "priority": "high",
        "risk": "high",
        "legal_basis": _DEVICES,
    },
    "large-amount": {
        "name": "Financial amount above 10,000",
        "when": 'ticket.domain == "financial" and ticket.amount > 10000',
        "legal_basis": _CREDIT,
    },
    "legal": {
        "name": "Legal matter",
        "when": 'ticket.domain == "legal"',
        "legal_basis": _AI_ACT,
    },
    "low-confidence": {
        "name": "The AI is not sure",
        "when": "ai.confidence < 0.8",
        "legal_basis": _GDPR,
    },
    "novel-pattern": {
        "name": "Nothing like it was seen before",
        "when": "ticket.novel_pattern",
        "legal_basis": _AI_ACT,
    },
}


class Band(NamedTuple):
    """One stretch of confidence: from where it begins, and what happens in it.

    `preset` shapes the question that is asked instead of the checkpoint's own; the roles stay.
    """

    band: str
    name: str
    least: float | None
    then: str
    priority: str = ""
    preset: str = ""
    audit_sample: float = 0


# From the surest down; the last catches what is below all the others. A review that is not awaited
# still comes before the act: only what is surest passes, and of that a share is looked at.
BANDS = (
    Band("auto_approve", "Sure enough to pass", 0.95, "allow", audit_sample=0.05),
    Band("async_review", "Reviewed in its time", 0.80, "ask", priority="medium"),
    Band("sync_review", "Reviewed at once", 0.60, "ask", priority="high"),
    Band("manual_handling", "Done by hand", None, "ask", priority="high", preset="fallback"),
)
