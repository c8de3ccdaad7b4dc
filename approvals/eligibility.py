"""Who may not vote, and why: one stable code per reason, the gravest first."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from approvals.question import Question
from approvals.quorum import Cast, Names, Seat, may_fill, may_vote


@dataclass(frozen=True)
class Standing:
    """What is known of a person before a vote.

    ``user_id`` is what votes name a person by, whichever account they use. ``excluded_as`` says in
    which way the ticket is the person's own work (``requester``, ``editor`` …), None when it is
    not. ``seats`` are the ones held now.
    """

    user_id: int
    is_active: bool
    is_human: bool
    seats: frozenset[Seat]
    excluded_as: str | None = None
    already_voted: bool = False
    names: Names = frozenset()


def refusal(
    standing: Standing,
    question: Question,
    casts: Iterable[Cast],
    *,
    choice: str | None = None,
    outcome: str = "",
    escalated: frozenset[str] = frozenset(),
) -> str | None:
    """Return why this person may not vote for this (None: for anything), or None when they may.

    ``machine-cannot-vote``, ``inactive``, ``own-work``, ``not-eligible``, ``already-voted``.
    """
    if not standing.is_human:
        return "machine-cannot-vote"
    if not standing.is_active:
        return "inactive"
    if standing.excluded_as is not None:
        return "own-work"
    # Their own vote may have taken the place it fits; it must not make them a stranger.
    others = [cast for cast in casts if cast.voter != standing.user_id]
    seats, names = standing.seats, standing.names or frozenset({standing.user_id})
    counts = (
        may_vote(question, others, seats=seats, names=names, escalated=escalated)
        if choice is None
        else may_fill(
            question,
            others,
            choice=choice,
            outcome=outcome,
            seats=seats,
            names=names,
            escalated=escalated,
        )
    )
    if not counts:
        return "not-eligible"
    return "already-voted" if standing.already_voted else None


def normalise_identity(text: str) -> str:
    """Return the spelling under which a name or mail address is compared with others.

    Look-alike forms, case, invisible characters and spaces around it fall away, and of a mail
    address also what stands in angle brackets around it and a ``+tag``. Dots stay: they tell
    people apart at most providers.
    """
    before, name = "", text
    # Each step may make room for another (a full-width "＋" becomes a tag), so until it rests.
    while name != before:
        before, name = name, _simplified(name)
    return name


def _simplified(text: str) -> str:
    name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    name = "".join(letter for letter in name if unicodedata.category(letter) != "Cf").strip()
    if name.endswith(">") and "<" in name and "@" in name:
        name = name[name.rindex("<") + 1 : -1].strip()
    name = name.removeprefix("mailto:")
    local, at, domain = name.rpartition("@")
    plain, _, _ = local.partition("+")
    return f"{plain}{at}{domain}" if at and plain else name
