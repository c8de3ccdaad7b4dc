"""What axe finds in pages that unfold draws and we cannot mend from here, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """One rule's complaint about an element whose HTML holds a text."""

    rule: str
    html: str
    reason: str


UNFOLD: tuple[Known, ...] = (
    Known(
        "aria-input-field-name",
        "select2",
        "Django's autocomplete draws a field of select2's in place of the select; it has no name "
        "of its own, while the select behind it keeps its label.",
    ),
)
