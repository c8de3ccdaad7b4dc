"""Two states of a thing side by side, field by field and word by word."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

_WORDS = re.compile(r"\s+|[^\s]+")
_LONGEST = 4000  # beyond it the comparison of words would take long; the fields are still shown


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text: `kind` is same, gone or added."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not what it was; what was or is not there at all is empty."""

    field: str
    before: str
    after: str

    @property
    def parts(self) -> list[Part]:
        """Return both texts as one, with the words that went and came."""
        return word_parts(self.before, self.after)

    def as_data(self) -> dict[str, str]:
        """Return it as the audit trail keeps it."""
        return {"field": self.field, "before": self.before, "after": self.after}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Return the fields that differ: those that are left in their order, then those that went."""
    fields = [*after, *(field for field in before if field not in after)]
    return [
        Difference(field, before.get(field, ""), after.get(field, ""))
        for field in fields
        if before.get(field, "") != after.get(field, "")
    ]


def word_parts(before: str, after: str) -> list[Part]:
    """Return two texts as one: words that stayed, went and came."""
    if max(len(before), len(after)) > _LONGEST:
        return [part for part in (Part("gone", before), Part("added", after)) if part.text]
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    parts: list[Part] = []
    for what, i, j, m, n in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if what == "equal":
            parts.append(Part("same", "".join(old[i:j])))
            continue
        if i < j:
            parts.append(Part("gone", "".join(old[i:j])))
        if m < n:
            parts.append(Part("added", "".join(new[m:n])))
    return parts
