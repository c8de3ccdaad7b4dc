"""Refusals: facts with a stable code, the HTTP status that fits, and a sentence for a person."""

from collections.abc import Mapping, Sequence
from typing import Any, Self


class Refusal(Exception):
    """Why the service will not do what was asked.

    `detail` is a sentence that names the way out, `errors` one entry per field
    (`{"pointer", "message"}`), `extra` further members of the problem answer.
    """

    code = "refused"
    status = 400
    sentence = "This cannot be done."

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, str]] = (),
        **extra: Any,
    ) -> None:
        self.detail = detail or self.sentence
        self.errors = [dict(error) for error in errors]
        self.extra = extra
        super().__init__(self.detail)

    @classmethod
    def at(cls, pointer: str, message: str, *, detail: str = "") -> Self:
        """Return the refusal of the one member that a JSON pointer names."""
        return cls(detail, errors=[{"pointer": pointer, "message": message}])

    @property
    def told(self) -> list[str]:
        """Return what a person reads: the sentence of each field, else the one of the whole."""
        return [error["message"] for error in self.errors] or [self.detail]


class NotVisible(Refusal):
    code, status = "not-found", 404
    sentence = "There is no such thing, or you may not see it."


class NotEligible(Refusal):
    code, status = "not-eligible", 403
    sentence = "You are not among the people asked, for this step or this answer."


class NotOnCall(NotEligible):
    code = "not-on-call"
    sentence = "You are asked only in the hours in which you are on call."


class OwnWork(Refusal):
    code, status = "own-work", 403
    sentence = "Nobody decides on their own work."


class MachineCannotVote(Refusal):
    code, status = "machine-cannot-vote", 403
    sentence = "A service key is a machine; only people vote."


class ScopeMissing(Refusal):
    code, status = "scope-missing", 403
    sentence = "This key does not carry the scope the call needs."


class UserMismatch(Refusal):
    code, status = "user-mismatch", 403
    sentence = "The user named is not the caller."


class RegionNotYours(Refusal):
    code, status = "region-not-yours", 403
    sentence = "You do not belong to this region."


class NotAllowed(Refusal):
    code, status = "not-allowed", 403
    sentence = "You do not hold the right this needs."


class SignInNeeded(Refusal):
    code, status = "sign-in-needed", 403
    sentence = "The link alone does not decide this; sign in first."


class DeskNeeded(Refusal):
    code, status = "desk-needed", 403
    sentence = "What carries a high risk is decided at the desk."


class MachineCannotBypass(Refusal):
    code, status = "machine-cannot-bypass", 403
    sentence = "A service key is a machine; only people start or end a bypass."


class IdentityNotConfirmed(Refusal):
    code, status = "confirm-identity", 403
    sentence = "Show that it is you: give your password, or the code of your second factor."


class ChannelNotAllowed(Refusal):
    code, status = "channel-not-allowed", 403
    sentence = "Votes on this question are not taken through this channel."


class LinkOfAnother(Refusal):
    code, status = "link-of-another", 403
    sentence = "This link was sent to somebody else."


class LinkUsed(Refusal):
    code, status = "link-used", 410
    sentence = "This link has been used; it works once."


class LinkExpired(Refusal):
    code, status = "link-expired", 410
    sentence = "This link has expired."


class AlreadyDecided(Refusal):
    code, status = "already-decided", 409
    sentence = "This ticket is already decided."


class AlreadyVoted(Refusal):
    code, status = "already-voted", 409
    sentence = "You have already voted; withdraw that vote first."


class Claimed(Refusal):
    code, status = "claimed", 409
    sentence = "Somebody else holds this ticket."


class AlreadyConsumed(Refusal):
    code, status = "already-consumed", 409
    sentence = "The receipt has already been consumed."


class WrongState(Refusal):
    code, status = "wrong-state", 409
    sentence = "The ticket is not in a state that permits this."


class Busy(Refusal):
    code, status = "busy", 409
    sentence = "Somebody else is writing to this ticket right now; try again in a second."


class IdempotencyInFlight(Refusal):
    code, status = "idempotency-in-flight", 409
    sentence = "The first call with this Idempotency-Key is still being answered."


class BypassUnreviewed(Refusal):
    code, status = "bypass-unreviewed", 409
    sentence = "Your last bypass must be reviewed by somebody else before you start another."


class ReferenceTaken(Refusal):
    code, status = "reference-taken", 409
    sentence = "This key already opened a ticket under that reference."


class TicketChanged(Refusal):
    code, status = "ticket-changed", 412
    sentence = "The ticket has changed since you read it; read it again."


class VersionRequired(Refusal):
    code, status = "version-required", 428
    sentence = "Say which version you saw: send If-Match or `version`."


class Invalid(Refusal):
    code, status = "invalid", 422
    sentence = "Something in the request is not right; see errors."


class IdempotencyKeyReused(Refusal):
    code, status = "idempotency-key-reused", 422
    sentence = "This Idempotency-Key was used for a different request."


class ReasonRequired(Refusal):
    code, status = "reason-required", 422
    sentence = "This answer needs a reason."


class SchemaMismatch(Refusal):
    code, status = "schema", 422
    sentence = "The content does not match its schema; see errors."


class TooMany(Refusal):
    code, status = "too-many-requests", 429
    sentence = "Too many requests; wait a little."


class TooManyTries(TooMany):
    code = "too-many-tries"
    sentence = "Too many wrong tries; wait a little before the next one."


class TooManyOpenings(TooMany):
    code = "too-many-openings"
    sentence = "This key has opened as many tickets as it may in an hour."


class TooManyVotes(TooMany):
    code = "too-many-votes"
    sentence = "You have decided a great deal this hour; go on a little later, and with care."
