"""What became of one attempt to deliver."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reviews.outbound import Client

Fate = Literal["sent", "moot", "retry", "park", "gone"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt: its fate, the answer's status where there was one, and why it failed.

    moot: there is nothing left to tell. retry: by the table. park: trying again is no use.
    gone: the receiver wants no more of them.
    `slow` says that the attempt used up its time, while others waited. `milliseconds` is how long
    it took.
    """

    fate: Fate
    status: int | None = None
    error: str = ""
    slow: bool = False
    milliseconds: int = 0


class Unbuildable(Exception):
    """Why a message cannot be made out of its row; nothing but a person can change that."""


# A message ready to leave: it touches no database, so it may be sent from any thread.
Send = Callable[[Client], Outcome]
