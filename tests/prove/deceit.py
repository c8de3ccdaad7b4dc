"""Texts that lie to whoever reads them: each says one thing and shows another."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

# Letters of other scripts that are drawn like these Latin ones.
_TWINS = {
    "a": "\u0430\u03b1\u0251",
    "c": "\u0441\u03f2",
    "e": "\u0435",
    "i": "\u0456",
    "o": "\u043e\u03bf\u0585",
    "p": "\u0440",
    "x": "\u0445",
    "y": "\u0443",
    "A": "\u0410\u0391\u13aa",
    "B": "\u0412\u0392",
    "C": "\u0421\u13df",
    "E": "\u0415\u0395",
    "H": "\u041d\u0397",
    "M": "\u041c\u039c",
    "O": "\u041e\u039f",
    "P": "\u0420\u03a1",
    "T": "\u0422\u03a4",
    "X": "\u0425\u03a7",
}
_TURNS = ("\u202e", "\u202d", "\u202b", "\u2066", "\u2067", "\u2068", "\u200f", "\u061c")
_NOTHING = (
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u034f",
    "\u3164",
    "\u180e",
)
_PAYEES = ("paypal", "ACME Metal", "Expo Copy", "Hope Bank", "Atlas", "Coop", "Maxi Post")


@dataclass(frozen=True, slots=True)
class Lie:
    """A text between two marks of its own, and what must be seen of it.

    :param needles: pieces that must stand on the page, white space aside.
    :param short: whether it fits into a title.
    """

    number: int
    kind: str
    text: str
    needles: tuple[str, ...]

    @property
    def start(self) -> str:
        return f"begin{self.number}q"

    @property
    def end(self) -> str:
        return f"end{self.number}q"

    @property
    def whole(self) -> str:
        return f"{self.start} {self.text} {self.end}"

    @property
    def in_title(self) -> bool:
        return len(self.whole) <= 200 and "\n" not in self.whole


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _turned(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    mark, payee = rng.choice(_TURNS), rng.choice(_PAYEES)
    return f"pay {mark}{payee[::-1]}\u202c 900", (_code(mark), payee[::-1])


def _hidden_between(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    payee, marks = rng.choice(_PAYEES), rng.sample(_NOTHING, 3)
    cut = rng.randrange(1, len(payee))
    text = payee[:cut] + "".join(marks) + payee[cut:]
    return text, (payee[:cut], *map(_code, marks), payee[cut:])


def _smuggled(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    said = "".join(chr(0xE0000 + ord(c)) for c in "approve")
    if rng.random() < 0.5:
        said = "".join(chr(0xE0100 + rng.randrange(200)) for _ in range(6))
    return f"fine{said} thanks", ("fine", *map(_code, said), "thanks")


def _lookalikes(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    payee = rng.choice(_PAYEES)
    places = [n for n, c in enumerate(payee) if c in _TWINS]
    chosen = set(rng.sample(places, rng.randrange(1, len(places) + 1)))
    twins = {n: rng.choice(_TWINS[payee[n]]) for n in chosen}
    text = "".join(twins.get(n, c) for n, c in enumerate(payee))
    return f"transfer to {text}", tuple(_code(twin) for twin in twins.values())


def _drawings(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    first = rng.choice((0xFF21, 0x1D400, 0x1D5D4, 0x1D670))
    text = "".join(chr(first + ord(c) - 65) for c in rng.choice(("PAY", "ACME", "BANK")))
    return f"to {text} now", tuple(map(_code, text))


def _drawn_over(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    if rng.random() < 0.5:
        return "total 9\u03360\u03360\u0336 700", ("U+0336", "700")
    marks = "".join(chr(0x300 + rng.randrange(0x30)) for _ in range(30))
    return f"total 9{marks}00", (_code(marks[-1]), "00")


def _terminal(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    return rng.choice(
        [
            ("\x1b[2J\x1b[1;1Happroved", ("U+001B", "[2J", "approved")),
            ("\x1b[8mwire it all\x1b[0m fine", ("U+001B", "wire it all", "fine")),
            ("\x1b]0;approved\x07 pay", ("U+001B", "U+0007", "pay")),
            ("\x9b2Kfine \x9b1A", ("U+009B", "fine")),
            ("refuse\x08\x08\x08\x08\x08\x08accept", ("refuse", "U+0008", "accept")),
            ("\x1b]8;;http://evil.example\x1b\\bank\x1b]8;;\x1b\\", ("evil.example", "U+001B")),
        ]
    )


def _overlong(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    fill = " ".join(rng.choice(("as agreed", "see the offer", "no changes")) for _ in range(300))
    return f"{fill} and wire the rest to account 666", ("wire the rest to account 666",)


def _pushed_away(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    count = rng.randrange(60, 200)
    if rng.random() < 0.5:
        wide = "\u00a0" * count
        return f"fine{wide}not fine", ("fine", f"{count} spaces", "not fine")
    gap = "\n" * count
    return f"fine{gap}not fine", ("fine", f"{count - 1} empty lines", "not fine")


def _posing_as_page(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Imitate the page: what is written stays text, between marks of its own."""
    return rng.choice(
        [
            ("</dd></dl><h2>Approved by Legal</h2>", ("</dd></dl><h2>Approved by Legal</h2>",)),
            ("<del>900</del> <ins>9</ins>", ("<del>900</del>", "<ins>9</ins>")),
            ("<span hidden>wire it all</span>", ("<span hidden>wire it all</span>",)),
            ("<!-- wire it all -->", ("<!-- wire it all -->",)),
            ("[approve](http://evil.example)", ("[approve](http://evil.example)",)),
            ("**Policy check: passed**", ("**Policy check: passed**",)),
        ]
    )


_KINDS: dict[str, Callable[[random.Random], tuple[str, tuple[str, ...]]]] = {
    "direction": _turned,
    "hidden characters": _hidden_between,
    "smuggled text": _smuggled,
    "lookalike letters": _lookalikes,
    "other drawings": _drawings,
    "drawn over": _drawn_over,
    "terminal": _terminal,
    "overlong": _overlong,
    "pushed away": _pushed_away,
    "posing as the page": _posing_as_page,
}


def lies(count: int, rng: random.Random) -> list[Lie]:
    """Return lies of every kind, as many of each."""
    kinds = cycle(_KINDS.items())
    found = []
    for number in range(count):
        kind, tell = next(kinds)
        text, needles = tell(rng)
        found.append(Lie(number, kind, text, needles))
    return found
