"""No code branches on the name of a kind of interaction: the names stand in one file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from approvals.presets import PRESETS
from tests.serving import ROOT

# What comes along as data: checkpoints, rules and samples, each written as a manager would.
DATA = {"approvals/presets.py", *(f"reviews/ready/{name}.py" for name in
        ("checkpoints", "demo", "rules"))}  # fmt: skip
# These are words of the language as well: a key of a dict, a role, an action.
COMMON = {"approval", "review", "input", "options", "vote"}
MODULES = sorted(
    path.relative_to(ROOT)
    for app in ("approvals", "audit", "hitl_project", "reviews")
    for path in (ROOT / app).rglob("*.py")
    if "migrations" not in path.parts and str(path.relative_to(ROOT)) not in DATA
)


def about_presets(node: ast.AST) -> bool:
    """Tell whether an expression speaks of a preset: `ticket.preset`, `PRESETS`, `preset`."""
    names = [getattr(part, "id", "") or getattr(part, "attr", "") for part in ast.walk(node)]
    return any("preset" in name.lower() for name in names)


def named(tree: ast.AST) -> Iterator[str]:
    """Yield the presets a module names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in PRESETS.keys() - COMMON:
                yield f"{node.lineno}: {node.value}"
        elif isinstance(node, ast.Compare | ast.Subscript | ast.Call | ast.Match):
            words = {
                part.value
                for part in ast.iter_child_nodes(node)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            }
            if words & COMMON and about_presets(node):
                yield f"{node.lineno}: {sorted(words & COMMON)}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_names_a_preset(module: Path) -> None:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    assert list(named(tree)) == []


def test_a_module_that_named_one_would_be_found() -> None:
    for code in ('x = "stepwise"', 'if ticket.preset == "vote": pass', 'y = PRESETS["review"]'):
        assert list(named(ast.parse(code))), code
