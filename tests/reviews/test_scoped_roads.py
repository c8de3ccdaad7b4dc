"""Doors read tickets through `visible_to`; every other road is listed here with its reason."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOORS = ("reviews/api", "reviews/admin", "reviews/mailpage", "reviews/sockets")
SCOPED = {"visible_to", "none"}
# (file, what is called on `Ticket.objects`) → why nobody sees there what is not theirs.
ELSEWHERE = {
    ("reviews/api/me.py", "filter"): "the caller's own requests",
    ("reviews/api/waiting.py", "filter"): "the status alone, of a ticket the caller just read",
    ("reviews/admin/queue.py", "waiting"): "counted within lanes open to the reader",
    ("reviews/admin/queue.py", "all"): "narrowed to the reader's lanes by the page of the queue",
    ("reviews/admin/ticket_page.py", "only"): "by an id just offered to the reader",
    ("reviews/admin/my_requests.py", "filter"): "the reader's own requests",
    ("reviews/admin/first_steps.py", "exists"): "whether there is any, for who sets it up",
    ("reviews/admin/role_facts.py", "waiting"): "a count, for those who manage roles",
    ("reviews/admin/audit_pages.py", "filter"): "for auditors, who see every ticket",
    ("reviews/admin/audit_rows.py", "filter"): "for auditors, who see every ticket",
    ("reviews/admin/bypass.py", "select_related"): "for those who see bypasses",
    (
        "reviews/mailpage/page.py",
        "select_related",
    ): "by the token of a link, which names the person",
}


def roads() -> Counter[tuple[str, str]]:
    """Return what doors call on `Ticket.objects`, by file."""
    found: Counter[tuple[str, str]] = Counter()
    for door in DOORS:
        for path in sorted((ROOT / door).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Attribute):
                    continue
                manager = node.value
                if (
                    isinstance(manager, ast.Attribute)
                    and manager.attr in {"objects", "_default_manager", "_base_manager"}
                    and ast.unparse(manager.value).rpartition(".")[2] == "Ticket"
                ):
                    found[str(path.relative_to(ROOT)), node.attr] += 1
    return found


def test_doors_read_tickets_by_the_scoped_road_or_by_a_listed_one():
    unlisted = {road for road in roads() if road[1] not in SCOPED} - ELSEWHERE.keys()
    assert unlisted == set()


def test_every_listed_road_is_still_there():
    assert ELSEWHERE.keys() <= roads().keys()


def test_the_scoped_road_is_the_usual_one():
    assert sum(count for (_, called), count in roads().items() if called == "visible_to") >= 6
