"""One word per thing: the glossary names every row the service keeps, and the code keeps to it."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("audit", "approvals", "reviews")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
# Words of the designs we also serve; they live where those are translated and nowhere else.
BANNED = {
    "adjust": ("reviews/api/seed_routes.py", "reviews/api/seed_votes.py"),
    "veto": ("reviews/api/seed_routes.py", "reviews/api/seed_votes.py"),
    "guardian": ("approvals/permissions.py", "approvals/models/policy.py"),
    "feedback": (
        "approvals/presets.py",  # a field of a form, which callers of those designs send
        "reviews/forms/ui_fields.py",
        "reviews/ready/demo.py",
        "reviews/api/seed_routes.py",
        "reviews/api/seed_votes.py",
    ),
    "approver": (
        *("reviews/api/", "reviews/services/requests.py", "reviews/ready/"),
        "reviews/interactions.py",
    ),
}


def files() -> list[Path]:
    return [
        path
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def words_of(path: Path) -> set[str]:
    """Return the words of every name, attribute, argument and string key in a file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        for attribute in ("id", "attr", "arg", "name"):
            value = getattr(node, attribute, None)
            if isinstance(value, str):
                names.add(value)
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and re.fullmatch(r"[A-Za-z_]{1,40}", text):
            names.add(text)
    parts = (re.findall(r"[A-Z]?[a-z]+", name) for name in names)
    return {part.lower() for found in parts for part in found}


def terms() -> set[str]:
    return {term.lower() for term in re.findall(r"\*\*([^*]+)\*\*", GLOSSARY)}


def singular(word: str) -> str:
    return re.sub(r"(?<=[a-z])s$", "", word)


@pytest.mark.parametrize("word", sorted(BANNED))
def test_a_banned_word_stands_only_where_it_is_translated(word):
    homes = BANNED[word]
    strays = [
        str(path.relative_to(ROOT))
        for path in files()
        if any(part.startswith(word) for part in words_of(path))
        and not str(path.relative_to(ROOT)).startswith(homes)
    ]
    assert strays == []


def test_every_kind_of_row_is_made_of_words_of_the_glossary():
    known = {singular(part) for term in terms() for part in re.findall(r"[a-z]+", term)}
    plain = {"user", "comment", "link", "endpoint", "webhook", "grant", "head", "chain", "key"}
    plain |= {"choice", "exclusion", "idempotent", "call", "event", "failed"}
    rows = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
    for model in rows:
        if model.__name__.startswith("Historical"):
            continue
        parts = {part.lower() for part in re.findall(r"[A-Z][a-z]+", model.__name__)}
        assert {singular(part) for part in parts} <= known | plain, model.__name__


def test_a_word_is_explained_once():
    rows = re.findall(r"^\| \*\*(.+?)\*\*", GLOSSARY, re.MULTILINE)
    assert len(rows) == len(set(rows)) > 40


def test_the_glossary_begins_with_the_paragraph_of_the_readme():
    def first(text: str) -> str:
        found = re.search(r"A program opens a \*\*ticket\*\*.*?can prove\.", text, re.DOTALL)
        assert found is not None
        return " ".join(found[0].replace("> ", "").split())

    assert first(GLOSSARY) == first((ROOT / "README.md").read_text())


def test_no_module_has_a_name_that_says_nothing():
    silent = {"utils", "helpers", "common", "core", "manager", "engine", "signals", "misc"}
    assert [path for path in files() if path.stem in silent] == []
