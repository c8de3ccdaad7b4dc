"""Walk a rule's parsed condition before it is built, and let through only what a rule needs.

Building a tree evaluates its constant parts, so everything is refused before: by size, by kind of
node, by type and by name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from rule_engine.ast import SymbolExpression

from reviews.expression_values import NAMESPACES, READABLE, Read
from reviews.schema_types import Kind, NoSuchValue, kind_at, nothing_called

MOST_NODES = 200
DEEPEST = 100
LARGEST_NUMBER = 2**53 - 1

_ATTRIBUTES = {
    ("list", "length"): Kind("number"),
    ("list", "is_empty"): Kind("boolean"),
    ("text", "length"): Kind("number"),
    ("text", "is_empty"): Kind("boolean"),
    ("text", "as_lower"): Kind("text"),
    ("text", "as_upper"): Kind("text"),
}
_REFUSED = {
    "FuzzyComparisonExpression": "match patterns (=~)",
    "FunctionCallExpression": "call functions",
    "ComprehensionExpression": "loop (for … in)",
    "BitwiseExpression": "use bit operators",
    "BitwiseShiftExpression": "use bit operators",
    "GetItemExpression": "pick items with […]",
    "GetSliceExpression": "pick items with […]",
    "TernaryExpression": "use ? :",
    "MappingExpression": "contain objects",
    "DatetimeExpression": "contain instants",
    "TimedeltaExpression": "contain durations",
    "BytesExpression": "contain bytes",
}
_UNKNOWN = Kind("unknown")
_NUMBER, _TEXT, _BOOLEAN = Kind("number"), Kind("text"), Kind("boolean")


class Check:
    """Walk an unbuilt tree: refuse, give types, and turn each path into one typed name.

    Complaints are collected, so that a manager sees all of them at once.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self.reads: dict[str, Read] = {}
        self.problems: list[str] = []

    def type_of(self, name: str) -> Any:
        """Return the library's type for a name that `_read` has put into the tree."""
        return self.reads[name].library_type

    def statement(self, tree: Any) -> None:
        self._refuse_shapes(tree)
        if not self.problems:
            self._expect(self._kind(tree.args[1]), _BOOLEAN, "A condition is true or false")

    def _refuse_shapes(self, tree: Any) -> None:
        # Without recursion: this is what makes the recursion everywhere else safe.
        waiting, count = [(tree, 1)], 0
        while waiting:
            node, depth = waiting.pop()
            count += 1
            name = node.cls.__name__
            if count > MOST_NODES or depth > DEEPEST:
                self._problem("The condition is too long or too deeply nested; split the rule.")
                return
            if name != "Statement" and name not in self._KIND_OF:
                self._problem(f"A rule may not {_REFUSED.get(name, f'use {name}')}.")
            elif node.kwargs.get("scope"):
                self._problem("A rule may not use built-in names ($…); some read the clock.")
            elif node.kwargs.get("safe"):
                self._problem("A rule may not use &.; compare with null instead.")
            waiting.extend((child, depth + 1) for child in _children(node))

    def _problem(self, sentence: str) -> Kind:
        if sentence not in self.problems:
            self.problems.append(sentence)
        return _UNKNOWN

    def _expect(self, kind: Kind, wanted: Kind, sentence: str) -> None:
        if kind not in (wanted, _UNKNOWN):
            self._problem(f"{sentence}, not {_a(kind)}.")

    def _alike(self, left: Kind, right: Kind, among: tuple[Kind, ...]) -> None:
        if _UNKNOWN in (left, right):
            return
        if left != right or left not in among:
            self._problem(f"{_a(left)} cannot be compared with {_a(right)} like this.".capitalize())

    def _kind(self, node: Any) -> Kind:
        return self._KIND_OF[node.cls.__name__](self, node)

    def _logic(self, node: Any) -> Kind:
        for side in node.args[2:4]:
            self._expect(self._kind(side), _BOOLEAN, "`and` and `or` join conditions")
        return _BOOLEAN

    def _unary(self, node: Any) -> Kind:
        kind = self._kind(node.args[2])
        if node.args[1] == "NOT":
            self._expect(kind, _BOOLEAN, "`not` turns a condition around")
            return _BOOLEAN
        self._expect(kind, _NUMBER, "Only numbers have a minus")
        return _NUMBER

    def _equality(self, node: Any) -> Kind:
        left, right = node.args[2:4]
        for null, named in ((left, right), (right, left)):
            if null.cls.__name__ == "NullExpression":
                self._read(named, or_null=True)
                return _BOOLEAN
        self._alike(self._kind(left), self._kind(right), (_NUMBER, _TEXT, _BOOLEAN))
        return _BOOLEAN

    def _order(self, node: Any) -> Kind:
        self._alike(self._kind(node.args[2]), self._kind(node.args[3]), (_NUMBER, _TEXT))
        return _BOOLEAN

    def _arithmetic(self, node: Any) -> Kind:
        if node.args[1] == "POW":
            return self._problem("A rule may not use powers (**).")
        for side in node.args[2:4]:
            # Text is left out on purpose: added to itself often enough it fills the memory.
            self._expect(self._kind(side), _NUMBER, "Only numbers can be calculated with")
        return _NUMBER

    def _contains(self, node: Any) -> Kind:
        container, member = self._kind(node.args[1]), self._kind(node.args[2])
        if _UNKNOWN in (container, member):
            return _BOOLEAN
        if container.name == "list" and container.items != member.name:
            items = container.items or "values of no one type"
            self._problem(f"{_a(member)} cannot be in a list of {items}.".capitalize())
        elif container.name != "list" and (container, member) != (_TEXT, _TEXT):
            self._problem(f"{_a(member)} cannot be in {_a(container)}.".capitalize())
        return _BOOLEAN

    def _coalesce(self, node: Any) -> Kind:
        left, right = node.args[1:3]
        kind = self._read(left, or_null=True)
        self._alike(kind, self._kind(right), (_NUMBER, _TEXT, _BOOLEAN))
        return kind

    def _named(self, node: Any) -> Kind:
        path = _path_of(node)
        if path is not None and len(path) > 1:
            *outer, attribute = path
            try:
                kind = self._known(tuple(outer))
            except NoSuchValue:
                kind = _UNKNOWN
            if (kind.name, attribute) in _ATTRIBUTES:
                self._read(node.args[1], or_null=False)
                return _ATTRIBUTES[kind.name, attribute]
        return self._read(node, or_null=False)

    def _read(self, node: Any, *, or_null: bool) -> Kind:
        """Make the node one typed name, so that the library never walks into a value itself."""
        path = _path_of(node)
        if path is None:
            return self._problem("Only a name can stand before a dot, `??` or a test for null.")
        try:
            kind = self._known(path)
        except NoSuchValue as unknown:
            return self._problem(str(unknown))
        if kind.name not in READABLE:
            return self._problem(f"`{'.'.join(path)}` is an object; name one of its fields.")
        name = ".".join(path) + ("?" if or_null else "")
        full = path if path[0] in NAMESPACES else ("", *path)
        self.reads[name] = Read(full, kind, or_null)
        node.cls, node.method = SymbolExpression, "build"
        node.args, node.kwargs = (node.args[0], name), {"scope": None}
        return kind

    def _known(self, path: tuple[str, ...]) -> Kind:
        if path[0] not in NAMESPACES:
            return kind_at(self.schema, path)
        names = NAMESPACES[path[0]]
        if len(path) == 1:
            return Kind("object")
        if len(path) > 2 or path[1] not in names:
            raise NoSuchValue(nothing_called(".".join(path), path[1], names))
        return names[path[1]]

    def _number(self, node: Any) -> Kind:
        text = node.args[1]
        try:
            value = float(text)
        except ValueError:
            value = int(text, 0)
        # Written so that NaN fails as well.
        if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
            self._problem(f"{text[:40]} is not a number a rule may use.")
        return _NUMBER

    def _list(self, node: Any) -> Kind:
        kinds = {self._kind(member) for member in node.args[1]}
        return Kind("list", kinds.pop().name if len(kinds) == 1 else "")

    _KIND_OF: ClassVar[dict[str, Callable[[Check, Any], Kind]]] = {
        "LogicExpression": _logic,
        "UnaryExpression": _unary,
        "ComparisonExpression": _equality,
        "ArithmeticComparisonExpression": _order,
        "ArithmeticExpression": _arithmetic,
        "AddExpression": _arithmetic,
        "SubtractExpression": _arithmetic,
        "ContainsExpression": _contains,
        "CoalesceExpression": _coalesce,
        "SymbolExpression": _named,
        "GetAttributeExpression": _named,
        "FloatExpression": _number,
        "ArrayExpression": _list,
        "SetExpression": _list,
        "StringExpression": lambda _check, _node: _TEXT,
        "BooleanExpression": lambda _check, _node: _BOOLEAN,
        "NullExpression": lambda _check, _node: Kind("null"),
    }


def _a(kind: Kind) -> str:
    return {"object": "an object", "text": "text", "null": "null"}.get(kind.name, f"a {kind.name}")


def _path_of(node: Any) -> tuple[str, ...] | None:
    """Return the names of ``a.b.c``, or None when the node is something else."""
    names: list[str] = []
    while node.cls.__name__ == "GetAttributeExpression":
        names.append(node.args[2])
        node = node.args[1]
    if node.cls.__name__ != "SymbolExpression":
        return None
    return (node.args[1], *reversed(names))


def _children(node: Any) -> Iterator[Any]:
    waiting = [*node.args, *node.kwargs.values()]
    while waiting:
        value = waiting.pop()
        if hasattr(value, "cls"):
            yield value
        elif isinstance(value, (tuple, list, deque)):
            waiting.extend(value)
