"""What becomes of a mail that a server did not take."""

import re
import smtplib

from anymail.exceptions import (
    AnymailAPIError,
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
)

from audit.inert import plain
from reviews.channels.outcome import Fate, Outcome
from reviews.display.brief import one_line

# From here on a server's answer is its last word.
_NEVER = 500
# A server may quote the mail, and so its link. What it says is kept, without anything like one.
_OPAQUE = re.compile(r"/a/\S*|[A-Za-z0-9_=+/-]{24,}")
_LONGEST = 300


def refusal(problem: Exception) -> Outcome:
    """Return whether a mail is tried again, and why it did not leave.

    Parked is what the server refuses for good: the address, or the mail once it was read. Whoever
    may not send at all mends that for every mail, and all of them wait for it.
    """
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        return _of_address(problem)
    if isinstance(problem, AnymailRecipientsRefused | AnymailInvalidAddress):
        return Outcome("park", error="The mail server refuses this address.")
    if isinstance(problem, smtplib.SMTPResponseException):
        code, said = int(problem.smtp_code), _said(problem.smtp_error)
        read = isinstance(problem, smtplib.SMTPDataError)
        fate: Fate = "park" if read and code >= _NEVER else "retry"
        return Outcome(fate, code, f"The mail server answered {code}{said}")
    if isinstance(problem, AnymailAPIError):
        return Outcome("retry", problem.status_code, "The mail service did not take it.")
    what = type(problem).__name__
    if isinstance(problem, smtplib.SMTPException | AnymailError):
        return Outcome("retry", error=f"The mail was not sent ({what}).")
    return Outcome("retry", error=f"The mail server cannot be reached ({what}).", slow=True)


def _of_address(problem: smtplib.SMTPRecipientsRefused) -> Outcome:
    # A mail of ours has one recipient.
    for address, (code, said) in problem.recipients.items():
        fate: Fate = "park" if code >= _NEVER else "retry"
        return Outcome(fate, code, f"The mail server refuses {plain(address)}{_said(said)}")
    return Outcome("park", error="The mail server refuses this address.")


def _said(answer: bytes | str) -> str:
    """Return the end of a sentence: what a server said, on one line and with nothing hidden."""
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    line, _ = one_line(plain(_OPAQUE.sub("…", text)), _LONGEST)
    return f": {line}" if line else "."
