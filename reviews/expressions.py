"""The language of a rule's ``when``, and its conditions made ready to be asked.

The grammar and the arithmetic are rule-engine's; what may be written is `expression_check`'s.
"""

from __future__ import annotations

import decimal
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import rule_engine

from reviews.expression_check import Check
from reviews.expression_values import WrongType

LONGEST = 2000


class RuleInvalid(ValueError):
    """Say what is wrong with a rule; ``errors`` are ``{"field": "when", "message": sentence}``."""

    def __init__(self, *messages: str) -> None:
        super().__init__(" ".join(messages))
        self.errors = [{"field": "when", "message": message} for message in messages]


class Expression:
    """Hold a rule's checked condition, ready to be asked many times from many threads."""

    def __init__(self, when: str, schema: Mapping[str, Any]) -> None:
        check = Check(schema)
        context = rule_engine.Context(
            resolver=lambda facts, name: check.reads[name].of(facts),
            type_resolver=check.type_of,
            default_timezone="utc",
            decimal_context=decimal.Context(prec=28),
        )
        tree = _parse(when, context)
        check.statement(tree)
        if check.problems:
            raise RuleInvalid(*check.problems)
        try:
            with decimal.localcontext(context.decimal_context):
                self._statement = tree.build()
        except Exception as error:
            # Building evaluates the constant parts, which may divide by zero or overflow.
            raise RuleInvalid(_sentence(error)) from None
        self._context = context

    def holds(self, *, proposal: object, ticket: object, ai: object) -> bool:
        """Return whether the condition is met.

        :raises Exception: of any kind when it cannot be told; the caller asks a person then.
        """
        facts = {"": proposal, "ticket": ticket, "ai": ai}
        with decimal.localcontext(self._context.decimal_context):
            answer = self._statement.evaluate(facts)
        if not isinstance(answer, bool):
            raise WrongType("The condition is neither true nor false.")
        return answer


class SchemaKey:
    """Name a schema by its content, so that compiled rules are found again."""

    __slots__ = ("digest", "schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        # Not RFC 8785: this digest never leaves the process and is made on every submission.
        text = json.dumps(schema, sort_keys=True, separators=(",", ":"))
        self.digest = hashlib.sha256(text.encode()).digest()
        self.schema = schema

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SchemaKey) and self.digest == other.digest


def compile_expression(when: object, key: SchemaKey) -> Expression:
    """Return the checked condition, from memory when it was compiled before.

    :raises RuleInvalid: when it may not be written like this.
    """
    if not isinstance(when, str) or not when.strip():
        raise RuleInvalid("A rule needs a condition; `true` always holds.")
    if len(when) > LONGEST:
        raise RuleInvalid(f"A condition has at most {LONGEST} characters.")
    found = _compiled(when, key)
    if isinstance(found, RuleInvalid):
        raise RuleInvalid(*(error["message"] for error in found.errors))
    return found


@lru_cache(maxsize=2048)
def _compiled(when: str, key: SchemaKey) -> Expression | RuleInvalid:
    # The refusal is remembered too: an invalid rule is read on every submission until it is fixed.
    try:
        return Expression(when, key.schema)
    except RuleInvalid as invalid:
        return invalid


def _parse(when: str, context: Any) -> Any:
    if "\\" in when or not when.replace("\n", " ").replace("\t", " ").isprintable():
        raise RuleInvalid("A condition contains no backslash and no invisible characters.")
    parser = rule_engine.Rule.parser
    # Half of the library's own `parse`, which would go on to build what we have not checked. Its
    # lock is used because its one parser (half a second to make another) keeps the context.
    with parser._ParserBase__mutex:  # noqa: SLF001
        parser.context = context
        try:
            return parser._parser.parse(when, lexer=parser._lexer)  # noqa: SLF001
        except Exception as error:
            raise RuleInvalid(f"The condition cannot be read: {_sentence(error)}") from None
        finally:
            parser.context = None


def _sentence(error: Exception) -> str:
    token = getattr(error, "token", None)
    near = f" near {str(token.value)[:40]!r}" if token is not None else ""
    return f"{getattr(error, 'message', None) or type(error).__name__}{near}."
