"""The people and tickets a newcomer finds: one of each kind the service is made for."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reviews.ready.roles import ADMIN, AUDITOR, LEAD, MANAGER, REVIEWER

REGIONS = ("Region1", "Region2")
KEY_NAME = "Demo agents"
MAIL_DOMAIN = "demo.example"


@dataclass(frozen=True)
class Person:
    """One of the demo's people; without a role they have no rights."""

    username: str
    first_name: str
    last_name: str
    roles: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    superuser: bool = False
    manager: str = ""
    domains: tuple[str, ...] = ()

    @property
    def email(self) -> str:
        return f"{self.username}@{MAIL_DOMAIN}"


# In this order, so that a manager stands before those who report to them.
PEOPLE = (
    Person("ada", "Ada", "Quinn", (ADMIN,), superuser=True),
    Person("maya", "Maya", "Singh", (MANAGER,), REGIONS),
    Person("leo", "Leo", "Marchetti", (LEAD,), REGIONS, manager="maya"),
    Person("ana", "Ana", "Costa", (REVIEWER,), ("Region1",), manager="leo", domains=("finance",)),
    Person("ben", "Ben", "Adler", (REVIEWER,), ("Region2",), manager="leo", domains=("content",)),
    Person("chloe", "Chloe", "Park", (REVIEWER,), REGIONS, manager="leo", domains=("environment",)),
    Person("otto", "Otto", "Berg", (AUDITOR,)),
    Person("nils", "Nils", "Falk"),
)


@dataclass(frozen=True)
class Answer:
    """A vote to cast on a sample."""

    voter: str
    choice: str
    reason: str = ""
    response: Any = None
    amendments: Any = None


@dataclass(frozen=True)
class Sample:
    """One ticket as a program would open it, and the votes it got; without any it waits."""

    reference: str
    request: dict[str, Any]
    answers: tuple[Answer, ...] = field(default=())
    # What nobody is asked about is decided at once; like what has votes, it is opened only once.
    passes: bool = False

    @property
    def waits(self) -> bool:
        return not self.answers and not self.passes


_MAILS = [
    {"subject": "A quieter way to plan deliveries", "body": "Hello Sam, your routes, on one page."},
    {"subject": "Your spring orders, on one page", "body": "Hello Kim, here is what moved."},
    {"subject": "Two minutes for better stock levels", "body": "Hello Lee, a short tour inside."},
    {
        "subject": "What other wholesalers changed",
        "body": "Hello Jo, three examples from the north.",
    },
    {
        "subject": "Shall we talk on Thursday?",
        "body": "Hello Max, I keep a quarter of an hour free.",
    },
]

SAMPLES = (
    Sample(
        "demo-loan-term",
        {
            "title": "Expand loan term to 7 years",
            "summary": "Raise the longest term of small-business loans from 5 to 7 years.",
            "proposal": {
                "title": "Expand loan term to 7 years",
                "detail": "Small-business loans may run for up to 7 years instead of 5.",
                "max_term_years": {"now": 5, "proposed": 7},
                "affected_programs": ["small-business", "rural-development"],
            },
            "domain": "finance",
            "compliance": True,
            "financial_impact": 0.6,
            "ai": {
                "prediction": "expand",
                "confidence": 0.84,
                "model": "policy-drafter-2",
                "reasoning": "Comparable programs saw fewer defaults with longer terms.",
                "features": [
                    {"name": "default rate", "value": "2.1 %", "importance": 0.42},
                    {"name": "median term elsewhere", "value": "7 years", "importance": 0.31},
                    {"name": "demand", "value": "rising", "importance": 0.14},
                ],
            },
            "labels": ("policy", "loans"),
        },
    ),
    Sample(
        "demo-data-purchase",
        {
            "checkpoint": "data-purchase",
            "title": "Buy data on 2,500 bakeries in the north",
            "proposal": {
                "business_count": 2500,
                "total_cost": 187.5,
                "quality_metrics": {"valid addresses": 0.97, "with e-mail": 0.62},
                "justification": "The spring campaign has no leads north of the river yet.",
                "provider": "Northern Data",
            },
            "amount": Decimal("187.50"),
        },
    ),
    Sample(
        "demo-campaign",
        {
            "checkpoint": "email-campaign",
            "title": "Spring campaign to 1,240 wholesalers",
            "proposal": {
                "recipient_count": 1240,
                "segments": ["wholesale", "north"],
                "sample_emails": _MAILS,
                "send_time_estimate": "about 40 minutes",
                "compliance_checklist": {
                    "unsubscribe link": True,
                    "sender address": True,
                    "consent on file": True,
                },
                "new_template": True,
            },
        },
    ),
    Sample(
        "demo-cost-alert",
        {
            "checkpoint": "cost-threshold",
            "title": "Today's spend is at 91 % of the budget",
            "priority": "high",
            "proposal": {
                "daily_spend": 182.4,
                "daily_budget": 200,
                "operation_cost": 12.5,
                "projected_month": 5630,
                "monthly_budget": 6000,
                "breakdown": {"enrichment": 96.1, "language model": 71.8, "e-mail": 14.5},
            },
            "amount": Decimal("182.40"),
        },
    ),
    Sample(
        "demo-ai-upgrade",
        {
            "checkpoint": "ai-upgrade",
            "title": "Write campaign texts with writer-4",
            "proposal": {
                "current_model": "writer-3",
                "new_model": "writer-4",
                "current_output": "Dear customer, we would like to inform you about our prices.",
                "new_output": "Your prices for May are in; three of them went down.",
                "cost_difference": 0.004,
                "quality_metrics": {
                    "writer-3": {"reply rate": 0.031, "complaints": 0.002},
                    "writer-4": {"reply rate": 0.044, "complaints": 0.002},
                },
                "baseline_distance": 0.22,
            },
        },
    ),
    Sample(
        "demo-moderation",
        {
            "title": "Comment reported as harassment",
            "summary": "Decide whether a reported comment stays.",
            "proposal": {
                "comment": "You clearly never worked a day in a kitchen. Go read a book.",
                "thread": "Which oven for a small bakery?",
                "reports": 3,
                "action": "remove",
            },
            "domain": "content",
            "ai": {
                "prediction": "unsafe",
                "confidence": 0.71,
                "model": "moderation-7",
                "reasoning": "Addressed at a person, rude, but no threat and no slur.",
                "features": [
                    {"name": "second person", "value": "yes", "importance": 0.38},
                    {"name": "insult score", "value": "0.66", "importance": 0.33},
                    {"name": "reports", "value": "3", "importance": 0.12},
                ],
            },
        },
    ),
    Sample(
        "demo-inspections",
        {
            "title": "Inspection schedule for chemical sites, second quarter",
            "summary": "Visit 14 sites in Region1; four of them monthly instead of quarterly.",
            "region": "Region1",
            "domain": "environment",
            "impact": "Four operators are visited three times as often.",
            "proposal": {
                "quarter": "Q2",
                "sites": 14,
                "frequency": {
                    "Harbour Solvents": "monthly",
                    "Dyeworks": "monthly",
                    "rest": "quarterly",
                },
                "inspectors": 5,
            },
            "ai": {"prediction": "schedule", "confidence": 0.77, "model": "scheduler-1"},
        },
    ),
    Sample(
        "demo-invoice",
        {
            "title": "Read the total of a smudged invoice",
            "summary": "The scan of invoice 2291 could not be read with confidence.",
            "preset": "input",
            "proposal": {"invoice": 2291, "supplier": "Miller Mills", "read_as": "1?840.00"},
            "response_schema": {
                "type": "object",
                "properties": {
                    "total": {"type": "number", "title": "Total", "minimum": 0},
                    "note": {"type": "string", "title": "Note"},
                },
                "required": ["total"],
            },
            "pipeline": {"name": "invoices", "step": "read-total", "state": {"invoice": 2291}},
            "ai": {"prediction": "1840.00", "confidence": 0.52, "model": "reader-2"},
        },
    ),
    Sample(
        "demo-name-vote",
        {
            "title": "Publish the new returns policy",
            "summary": "The office decides together; a majority of the reviewers is needed.",
            "preset": "vote",
            "proposal": {"policy": "Returns within 60 days", "from": "next Monday"},
            "priority": "low",
        },
    ),
    Sample(
        "demo-bought",
        {
            "checkpoint": "data-purchase",
            "title": "Refresh 1,100 addresses of florists",
            "proposal": {
                "business_count": 1100,
                "total_cost": 64,
                "quality_metrics": {"valid addresses": 0.99},
                "justification": "A third of the addresses is older than two years.",
                "provider": "Northern Data",
            },
            "amount": Decimal("64.00"),
        },
        (Answer("ana", "approve", "Cheap, and the old addresses bounce."),),
    ),
    Sample(
        "demo-loan-declined",
        {
            "title": "Loan of 48,000 to Parkside Bikes",
            "summary": "Decide on an application the model could not place.",
            "proposal": {"applicant": "Parkside Bikes", "amount": 48000, "term_years": 5},
            "domain": "finance",
            "amount": Decimal("48000.00"),
            "compliance": True,
            "ai": {"prediction": "approve", "confidence": 0.62, "model": "credit-5"},
        },
        (Answer("ben", "reject", "Two of the statements belong to another company."),),
    ),
    Sample(
        "demo-newsletter",
        {
            "title": "Newsletter on the new opening hours",
            "proposal": {"subject": "We open earlier", "body": "From Monday we open at 7."},
        },
        (
            Answer(
                "chloe",
                "request_changes",
                "Which shops?",
                {
                    "feedback": "Say which shops open earlier.",
                    "suggested_changes": "The shops in Mill Lane and Dock Road open at 7.",
                },
            ),
        ),
    ),
    Sample(
        "demo-budget-answered",
        {
            "checkpoint": "cost-threshold",
            "title": "One enrichment run costs 74",
            "proposal": {
                "daily_spend": 90,
                "daily_budget": 200,
                "operation_cost": 74,
                "projected_month": 4100,
                "monthly_budget": 6000,
                "breakdown": {"enrichment": 74, "language model": 16},
            },
            "amount": Decimal("74.00"),
        },
        (Answer("ana", "increase_budget", "Once, for the launch.", {"new_limit": 250}),),
    ),
    Sample(
        "demo-small-purchase",
        {
            "checkpoint": "data-purchase",
            "title": "Buy data on 80 potters",
            "proposal": {
                "business_count": 80,
                "total_cost": 9.6,
                "quality_metrics": {"valid addresses": 0.95},
                "justification": "A trial of the provider.",
            },
            "amount": Decimal("9.60"),
        },
        passes=True,
    ),
)
