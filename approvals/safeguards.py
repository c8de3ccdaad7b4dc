"""How votes on a question are taken: through which doors, and how surely by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from approvals.options import ALLOWING
from approvals.question import Question
from approvals.reading import QuestionInvalid, Reader

# What policies name a door → the entrances (`audit.context.Origin.channel`) that are it.
DOORS: dict[str, frozenset[str]] = {
    "desk": frozenset({"web"}),
    "mail": frozenset({"mail"}),
    "api": frozenset({"api"}),
    "cli": frozenset({"cli", "command"}),
    "chat": frozenset({"chat", "slack", "teams"}),
}
ASKED = ("never", "high_risk", "always")

# How a voter is known: not at all, by a personal token, lately in this session, or just now.
Confirmed = Literal["", "token", "lately", "now"]


@dataclass(frozen=True, slots=True)
class Safeguards:
    """`channels` None: every door. `silence_may_allow` is the switch without which it never may."""

    confirm_identity: str = "high_risk"
    channels: tuple[str, ...] | None = None
    silence_may_allow: bool = False


def parse_safeguards(data: object) -> Safeguards:
    """Return the safeguards a JSON object describes; what is left out takes its safe default.

    :raises QuestionInvalid: naming every error with its place.
    """
    reader = Reader()
    known = ("confirm_identity", "channels", "silence_may_allow")
    given = reader.mapping(data, "/safeguards", known)
    confirm = given.get("confirm_identity", "high_risk")
    channels = given.get("channels")
    doors: tuple[str, ...] | None = None
    if channels is not None:
        rows = reader.rows(channels, "/safeguards/channels", least=1, most=len(DOORS))
        doors = tuple(
            reader.choice(row, f"/safeguards/channels/{place}", DOORS)
            for place, row in enumerate(rows)
        )
    silence = given.get("silence_may_allow", False)
    if not isinstance(silence, bool):
        reader.refuse("/safeguards/silence_may_allow", "This is true or false.")
    found = Safeguards(
        reader.choice(confirm, "/safeguards/confirm_identity", ASKED), doors, silence is True
    )
    reader.finish()
    return found


def render_safeguards(safeguards: Safeguards) -> dict[str, Any]:
    """Return safeguards as JSON, every key present."""
    return {
        "confirm_identity": safeguards.confirm_identity,
        "channels": None if safeguards.channels is None else list(safeguards.channels),
        "silence_may_allow": safeguards.silence_may_allow,
    }


def takes(safeguards: Safeguards, channel: str) -> bool:
    """Return whether votes are taken through this entrance."""
    doors = safeguards.channels
    return doors is None or any(channel in DOORS[door] for door in doors)


def must_confirm(safeguards: Safeguards, *, risk: str, confirmed: Confirmed = "") -> bool:
    """Return whether a voter who is known like this must first show who they are.

    A token stands for a person who was asked when it was made, which is enough unless every
    vote is to be confirmed.
    """
    if safeguards.confirm_identity == "always":
        return confirmed not in ("lately", "now")
    asked = safeguards.confirm_identity == "high_risk" and risk == "high"
    return asked and not confirmed


def allowing_silence(question: Question) -> str | None:
    """Return the option nobody's answer would allow something by, or None."""
    effects = {option.key: option.effect for option in question.options}
    silence = question.timing.silence
    return silence if silence is not None and effects.get(silence) in ALLOWING else None


def check_silence(question: Question, safeguards: Safeguards) -> None:
    """Refuse a question that silence would allow, unless that was switched on in so many words.

    :raises QuestionInvalid: naming the option.
    """
    silent = allowing_silence(question)
    if silent is not None and not safeguards.silence_may_allow:
        message = f"Silence would mean {silent}, which allows; switch on `silence_may_allow`."
        raise QuestionInvalid([{"pointer": "/timing/silence", "message": message}])


def weakened(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return in what ways safeguards (as rendered) protect less than those before."""
    old, new = parse_safeguards(before), parse_safeguards(after)
    found = []
    if ASKED.index(new.confirm_identity) < ASKED.index(old.confirm_identity):
        found.append("Voters confirm who they are less often.")
    if old.channels is not None and not set(new.channels or DOORS) <= set(old.channels):
        found.append("Votes are taken through more doors.")
    if new.silence_may_allow and not old.silence_may_allow:
        found.append("Silence may allow.")
    return found
