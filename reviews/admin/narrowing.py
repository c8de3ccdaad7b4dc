"""How somebody narrows the queue: by risk, region, age, requester, and what runs late."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from django.db.models import Q
from django.http import QueryDict

from reviews.models import Ticket
from reviews.models.checkpoint import Risk
from reviews.querysets import TicketQuerySet

AGES = {"4h": timedelta(hours=4), "1d": timedelta(days=1), "3d": timedelta(days=3)}
_AGE_WORDS = {"4h": "older than 4 hours", "1d": "older than a day", "3d": "older than 3 days"}
_MOST = 15
# What an address of the queue may say; anything else in one falls away.
KNOWN = ("show", "queue", "risk", "region", "age", "by", "overdue", "escalated", "q")


@dataclass(frozen=True, slots=True)
class Pick:
    """One filter with a choice: its name, what is chosen, and (word, value, chosen) per choice."""

    key: str
    title: str
    chosen: str
    choices: list[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What of the queue somebody wants to see; empty texts narrow nothing."""

    risk: str = ""
    region: str = ""
    age: str = ""
    by: str = ""
    overdue: bool = False
    escalated: bool = False

    @classmethod
    def read(cls, asked: QueryDict) -> "Narrowing":
        """Return what an address asks for; what it makes up is passed over."""

        def text(name: str) -> str:
            return str(asked.get(name, "")).replace("\x00", "")[:150]

        region, risk, age = text("region"), text("risk"), text("age")
        return cls(
            risk=risk if risk in Risk.values else "",
            region=region,
            age=age if age in AGES else "",
            by=text("by"),
            overdue=text("overdue") == "1",
            escalated=text("escalated") == "1",
        )

    def __bool__(self) -> bool:
        return bool(self.query())

    def apply(self, tickets: TicketQuerySet, *, now: datetime) -> TicketQuerySet:
        """Return those of the tickets that are wanted."""
        wanted = Q()
        if self.risk:
            wanted &= Q(risk=self.risk)
        if self.region:
            wanted &= Q(region__slug=self.region)
        if self.age:
            wanted &= Q(created_at__lte=now - AGES[self.age])
        if self.by:
            wanted &= Q(requester__username=self.by)
        if self.overdue:
            wanted &= Q(status=Ticket.Status.PENDING, due_at__lte=now)
        if self.escalated:
            wanted &= ~Q(decision__escalated=[])
        return tickets.filter(wanted)

    def query(self) -> dict[str, str]:
        """Return the parts of an address that say this."""
        said = {"risk": self.risk, "region": self.region, "age": self.age, "by": self.by}
        said |= {"overdue": "1" * self.overdue, "escalated": "1" * self.escalated}
        return {name: value for name, value in said.items() if value}

    def picks(self, tickets: Collection[Ticket]) -> list[Pick]:
        """Return the filters with a choice.

        :param tickets: those on the page. Regions and requesters are offered as they occur there:
            asking who else there is would cost as much as the whole queue.
        """
        regions = {one.region.slug: one.region.name for one in tickets if one.region}
        people = {one.requester.username: one.requester.label for one in tickets}
        return [
            _pick("risk", "Risk", self.risk, {r.value: str(r.label) for r in reversed(Risk)}),
            _pick("region", "Region", self.region, regions),
            _pick("age", "Age", self.age, _AGE_WORDS),
            _pick("by", "Requested by", self.by, people),
        ]


def _pick(key: str, title: str, chosen: str, known: Mapping[str, str]) -> Pick:
    words = {**known} if not chosen or chosen in known else {chosen: chosen, **known}
    choices = [(word, value, value == chosen) for value, word in list(words.items())[:_MOST]]
    return Pick(key, title, words.get(chosen, ""), choices)


def sound_query(text: str) -> str:
    """Return the known parts of an address's query; whatever else it says falls away."""
    try:
        parts = parse_qsl(text.lstrip("?")[:1000], max_num_fields=30)
    except ValueError:
        return ""
    return urlencode({name: value for name, value in parts if name in KNOWN and value})
