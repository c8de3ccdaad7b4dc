"""What a requester sends, once it has been read and checked."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from reviews.models import Region, Ticket

# What a ticket keeps just as its requester gave it, under the same name.
AS_GIVEN = (
    *("title", "proposal", "reference", "ai", "domain", "impact", "amount", "financial_impact"),
    *("compliance", "novel_pattern", "preset", "interaction", "callback_url", "pipeline"),
    "on_behalf_of",
)


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """The members of a ticket as its requester gives them; defaults are what silence means."""

    checkpoint: str = "general"
    title: str = ""
    summary: str = ""
    proposal: dict[str, Any] = field(default_factory=dict)
    reference: str = ""
    ai: dict[str, Any] = field(default_factory=dict)
    priority: str = "medium"
    region: str = ""
    domain: str = ""
    impact: str = ""
    amount: Decimal | None = None
    financial_impact: float | None = None
    compliance: bool = False
    novel_pattern: bool = False
    labels: tuple[str, ...] = ()
    preset: str = ""
    question: dict[str, Any] = field(default_factory=dict)
    response_schema: dict[str, Any] | None = None
    interaction: dict[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    timeout_seconds: int | None = None
    callback_url: str = ""
    pipeline: dict[str, Any] = field(default_factory=dict)
    on_behalf_of: str = ""
    previous: str = ""
    step: int = 0  # how many steps of a rollout went before; never a requester's to say

    def facts(self, region: Region | None) -> dict[str, Any]:
        """Return what rules read under `ticket.`.

        A text nobody gave is empty, so that a rule about it does not match; a number nobody gave
        is absent, so that a rule about it asks a person.
        """
        return {
            "amount": self.amount,
            "priority": self.priority,
            "domain": self.domain,
            "region": region.slug if region else "",
            "impact": self.impact,
            "financial_impact": self.financial_impact,
            "compliance": self.compliance,
            "novel_pattern": self.novel_pattern,
            "labels": list(self.labels),
            "preset": self.preset,
            "requester": self.on_behalf_of,
        }

    def ai_facts(self) -> dict[str, Any]:
        """Return what rules read under `ai.`."""
        return {name: self.ai.get(name) for name in ("prediction", "confidence", "model")}


def request_of(ticket: Ticket) -> TicketRequest:
    """Return what the ticket was opened with, to be put again with other content."""
    return TicketRequest(
        **{name: getattr(ticket, name) for name in AS_GIVEN},
        checkpoint=ticket.checkpoint.slug,
        summary=ticket.summary,
        priority=ticket.priority,
        labels=tuple(ticket.labels),
        question=ticket.asked.get("question") or {},
        response_schema=ticket.asked.get("response_schema"),
        step=ticket.asked.get("step", 0),
    )
