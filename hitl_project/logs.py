"""What is written to the log, and what never is."""

import logging
import re
from typing import Any, Literal

import structlog

# Keys and tokens of ours, webhook secrets, and the secret part of a mail page's address.
SECRETS = (
    (re.compile(r"hitl_([0-9a-f]{8})_[A-Za-z0-9_-]+"), r"hitl_\1_[removed]"),
    (re.compile(r"whsec_[A-Za-z0-9+/=_-]+"), "whsec_[removed]"),
    (re.compile(r"/a/[A-Za-z0-9_.:~=-]+"), "/a/[removed]"),
    (re.compile(r"(?i)(bearer\s+)(?!hitl_)[A-Za-z0-9._~+/=-]+"), r"\1[removed]"),
)


def redacted(text: str) -> str:
    """Return the text without keys, webhook secrets and mail page tokens."""
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_clean(item) for item in value) if type(value) in (list, tuple) else value
    return value


class Redact(logging.Filter):
    """Remove secrets from a record before any formatter sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _clean(record.msg)
        record.args = _clean(record.args)
        return True


def _redact_event(_logger: Any, _method: str, event: Any) -> Any:
    """Remove secrets from the finished event; exceptions are text by now."""
    return _clean(event)


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def formatter(style: Literal["json", "console"]) -> logging.Formatter:
    """Return the formatter for every line: one JSON object, or text for a person."""
    last: list[Any] = [structlog.processors.format_exc_info, _redact_event]
    last.append(
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    return structlog.stdlib.ProcessorFormatter(
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
