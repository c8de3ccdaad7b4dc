"""What is written to the log, and what never is."""

import logging
import re
from typing import Any, Literal

import structlog

# Keys and tokens of ours, webhook secrets, bearer headers, and the secret part of a mail page's
# address. What remains of a key is its public half, which finds the row.
SECRETS = (
    (re.compile(r"hitl_([0-9a-f]{8})_[A-Za-z0-9_-]+"), r"hitl_\1_[removed]"),
    (re.compile(r"(whsec|whsk)_[A-Za-z0-9+/=_-]+"), r"\1_[removed]"),
    (re.compile(r"/a/[A-Za-z0-9_.:~=-]+"), "/a/[removed]"),
    (re.compile(r"(?i)\b(bearer\s+)(?!hitl_)[A-Za-z0-9._~+/=-]{8,}"), r"\1[removed]"),
)


def redacted(text: str) -> str:
    """Return the text without keys, webhook secrets and mail page tokens."""
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


class Line(structlog.stdlib.ProcessorFormatter):
    """Write a record as one line, its secrets removed last so that tracebacks are covered."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


# Local variables hold passwords and proposals; a traceback says where, not what.
WITHOUT_LOCALS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def line(style: Literal["json", "console"]) -> logging.Formatter:
    """Return the formatter for every line: one JSON object, or text for a person."""
    if style == "json":
        last: list[Any] = [
            WITHOUT_LOCALS,
            structlog.processors.JSONRenderer(),
        ]
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    return Line(
        foreign_pre_chain=SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *SHARED,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def name_request(request: Any, **_: Any) -> None:
    """Let every line of a request bear the id that its answer carries."""
    structlog.contextvars.bind_contextvars(request_id=request.request_id)
