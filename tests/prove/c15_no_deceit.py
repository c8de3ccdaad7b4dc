"""C15: what a text hides from its reader is named where it stands, or there to be read in full."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from approvals.models import User
from tests.prove.cast import Cast, cast
from tests.prove.deceit import Lie, lies
from tests.prove.letters import link_for
from tests.prove.onlookers import House, parcels, printed_by
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene
from tests.prove.windows import Seen, Window, chromium, hides

EACH = 25
# For every lie: is it on the page, does a fold of it say so, is all of it seen when unfolded.
_READ = """(lies) => {
  const tidy = (text) => text.replace(/\\s+/g, " ");
  const places = (lie) => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!node.data.includes(lie.start)) continue;
      let place = node.parentElement;
      while (place && !place.textContent.includes(lie.end)) place = place.parentElement;
      if (place && !place.matches("script, style, textarea, option")) found.push(place);
    }
    return found;
  };
  const known = lies.map((lie) => [lie, places(lie)]);
  const folded = (place) => [...place.querySelectorAll("details:not([open])")];
  const says = (fold) => /characters|More/.test(fold.querySelector("summary")?.innerText ?? "");
  const silent = known.filter(([, found]) => found.some((p) => !folded(p).every(says)));
  for (const one of document.querySelectorAll("details")) one.open = true;
  const unseen = known.filter(([lie, found]) => !found.length || found.some((place) => {
    const text = tidy(place.innerText), hidden = !place.getClientRects().length;
    return hidden || lie.needles.some((ways) => !ways.some((way) => text.includes(tidy(way))));
  }));
  const after = (one, other) => !one || !other ||
    Boolean(one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING);
  return {
    unseen: unseen.map(([lie]) => lie.number),
    silent: silent.map(([lie]) => lie.number),
    warned: /hide, or pose as others/.test(document.body.innerText),
    claimFirst: !after(document.querySelector(".fields"), document.querySelector(".agent")),
    text: document.body.innerText,
  };
}"""


def ways_to_say(needle: str) -> list[str]:
    """Return a needle as pages write it: JSON has escapes of its own, which are as visible."""
    if needle.startswith("U+") and len(needle) == 6:
        return [needle, f"\\u{needle[2:].lower()}", {"U+0008": "\\b"}.get(needle, needle)]
    if needle.endswith("empty lines"):
        return [needle, "\\n" * (int(needle.split(maxsplit=1)[0]) + 1)]
    return [needle]


class Reading:
    """What was read, page by page."""

    def __init__(self) -> None:
        self.unseen: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def read(self, window: Window, path: str, told: Sequence[Lie], *, warns: bool = True) -> None:
        window.page.goto(window.own + path, wait_until="load")
        window.seen.pages += 1
        asked = [
            {
                "number": lie.number,
                "start": lie.start,
                "end": lie.end,
                "needles": [ways_to_say(needle) for needle in lie.needles],
            }
            for lie in told
        ]
        found: dict[str, Any] = window.page.evaluate(_READ, asked)
        by_number = {lie.number: lie for lie in told}
        self.unseen.update(by_number[number].kind for number in found["unseen"])
        self.counts["folded_without_a_sign"] += len(found["silent"])
        self.counts["claims_shown_before_facts"] += found["claimFirst"]
        self.counts["raw_hidden_characters"] += sum(map(hides, found["text"]))
        self.counts["pages_without_a_warning"] += warns and not found["warned"]


def ticket_with(people: Cast, told: Sequence[Lie]) -> Any:
    """Open a ticket that tells these lies in values of every shape, and in its AI's words."""
    proposal: dict[str, Any] = {}
    for place, lie in enumerate(told):
        shapes = (
            lie.whole,
            [lie.whole, "and"],
            {"note": lie.whole},
            [{"name": lie.whole, "n": 1}, {"name": "x", "n": 2}],
            {"a": [{"b": [lie.whole]}]},
        )
        proposal[f"field_{place}"] = shapes[place % len(shapes)]
    ai = {"reasoning": "It is routine.", "prediction": "approve", "confidence": 0.99}
    return people.open(title="A transfer", proposal=proposal, ai=ai)


def read(scene: Scene) -> Figure:
    told = lies(scene.size(200, least=30), scene.rng)
    people = cast(voters=1, needed=1, listening=False)
    User.objects.filter(pk=people.voters[0].pk).update(is_staff=True)
    reading, seen, printed = Reading(), Seen(), Seen()
    cut = 0
    with scene.served() as url, chromium() as browser:
        house = House(url, browser, people, ())
        for some in parcels(told, EACH):
            ticket = ticket_with(people, some)
            _, token = link_for(ticket.pk, people.voters[0])
            titled = [lie for lie in some if lie.in_title]
            for lie in titled:
                people.open(title=lie.whole)
            with house.window(seen) as window:
                reading.read(window, f"/admin/reviews/ticket/{ticket.pk}/change/", some)
                reading.read(window, "/admin/reviews/ticket/?show=all", titled, warns=False)
            with house.window(seen, signed_in=False) as window:
                reading.read(window, f"/a/{token}", some)
            text = printed_by(house, printed, "get", ticket.label)
            cut += sum(lie.start not in text or lie.end not in text for lie in some)
    return figure(
        f"{len(told)} lies of {len({lie.kind for lie in told})} kinds on {seen.pages} pages and "
        f"{printed.pages} outputs",
        details={"unseen": dict(reading.unseen), "printed": dict(printed.hidden)},
        lies_neither_flagged_nor_visible=reading.unseen.total(),
        raw_hidden_characters=reading.counts["raw_hidden_characters"],
        folded_without_a_sign=reading.counts["folded_without_a_sign"],
        pages_without_a_warning=reading.counts["pages_without_a_warning"],
        claims_shown_before_facts=reading.counts["claims_shown_before_facts"],
        escape_bytes_on_the_command_line=sum(printed.hidden.values()),
        cut_on_the_command_line=cut,
    )


def run(scene: Scene) -> Figure:
    return read(scene)


def control(scene: Scene) -> Figure:
    """Show and print the same texts as they came."""
    scene.switch_off("inert")
    scene.scale = min(scene.scale, 0.25)
    return read(scene)


ROW = Row("C15", "What a text hides is named or there to be read", run, control)
