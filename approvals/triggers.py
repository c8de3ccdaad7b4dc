"""What the database itself refuses about questions, votes and rights."""

from audit.triggers import Trigger, append_only, changed, immutable

_FROZEN = (
    *("subject", "round", "version", "policy_id", "question", "rule", "content"),
    *("action_digest", "digest", "nonce", "system", "opened_at"),
)
_CAST = (
    *("decision_id", "voter_id", "principal_id", "voter_kind", "choice", "outcome_digest"),
    *("reason", "response", "amendments", "version", "digest", "channel", "cast_at"),
)
_OUTCOME = (
    *("outcome", "by", "effect", "outcome_digest", "reason", "response", "amendments"),
    *("approved_content", "approved_action_digest", "settled_at", "final_at", "revocable_until"),
    *("revoked_at", "revoked_by_id", "closed_at", "escalated"),
)

_LENDING = (
    *("lender_id", "delegate_id", "limited", "reason", "starts_at", "ends_at", "made_by_id"),
    "made_at",
)
# By the instant the service read from the clock, so that it and the database agree to the last.
_IN_FORCE = "l.ended_at IS NULL AND l.starts_at <= NEW.cast_at AND l.ends_at > NEW.cast_at"
# By identity, not by account: an account made later may be the same person's. And so is whoever
# votes for such a person at that moment.
_OWN_WORK = f"""
EXISTS (
    SELECT 1 FROM approvals_exclusion e
    JOIN approvals_user o ON o.id = e.user_id
    JOIN approvals_user v ON v.id = o.id OR v.identity = o.identity
    WHERE e.decision_id = NEW.decision_id AND v.id IN (NEW.voter_id, NEW.principal_id)
) OR EXISTS (
    SELECT 1 FROM approvals_exclusion e
    JOIN approvals_user o ON o.id = e.user_id
    JOIN approvals_user w ON w.identity = o.identity
    JOIN approvals_delegation l ON l.lender_id = w.id AND {_IN_FORCE}
    JOIN approvals_user d ON d.id = l.delegate_id
    JOIN approvals_user v ON v.identity = d.identity
    WHERE e.decision_id = NEW.decision_id AND e.why <> 'delegate'
    AND v.id IN (NEW.voter_id, NEW.principal_id)
)
"""  # noqa: S608
_NOT_LENT = f"""
NEW.voter_id <> NEW.principal_id AND NOT EXISTS (
    SELECT 1 FROM approvals_delegation l
    WHERE l.lender_id = NEW.principal_id AND l.delegate_id = NEW.voter_id AND {_IN_FORCE}
)
"""  # noqa: S608

_VOTED_BEFORE = """
EXISTS (
    SELECT 1 FROM approvals_vote o
    JOIN approvals_user p ON p.id IN (o.voter_id, o.principal_id)
    JOIN approvals_user n ON n.identity = p.identity AND n.id <> p.id
    WHERE o.decision_id = NEW.decision_id AND o.withdrawn_at IS NULL
    AND p.identity <> '' AND n.id IN (NEW.voter_id, NEW.principal_id)
)
"""

TRIGGERS = [
    *append_only(
        "approvals_approvalpolicy",
        name="policy",
        sentence="a published policy never changes; publish a new version",
    ),
    *append_only(
        "approvals_policystage",
        name="stage",
        sentence="a published stage never changes; publish a new version",
    ),
    immutable(
        "approvals_decision",
        columns=_FROZEN,
        name="decision_frozen",
        sentence="the question is frozen; changed content is a new round",
    ),
    Trigger(
        "decision_told",
        "approvals_decision",
        "UPDATE",
        "a decision changes only together with its audit event",
        f"({changed(*_OUTCOME)}) AND NEW.last_event_id IS NOT DISTINCT FROM OLD.last_event_id",
    ),
    Trigger("decision_kept", "approvals_decision", "DELETE", "decisions are never deleted"),
    Trigger(
        "vote_by_a_person",
        "approvals_vote",
        "INSERT",
        "a machine cannot vote",
        "NEW.voter_kind <> 'human' OR EXISTS (SELECT 1 FROM approvals_user u WHERE u.id IN "
        "(NEW.voter_id, NEW.principal_id) AND u.kind <> 'human')",
    ),
    Trigger(
        "vote_on_own_work",
        "approvals_vote",
        "INSERT",
        "nobody votes on their own work",
        _OWN_WORK,
    ),
    Trigger(
        "vote_lent",
        "approvals_vote",
        "INSERT",
        "nobody votes for another without a loan of the right",
        _NOT_LENT,
    ),
    Trigger(
        "vote_of_one_person",
        "approvals_vote",
        "INSERT",
        "two accounts of one person are one vote",
        _VOTED_BEFORE,
    ),
    Trigger(
        "vote_on_open_question",
        "approvals_vote",
        "INSERT",
        "this decision is not open",
        "EXISTS (SELECT 1 FROM approvals_decision d WHERE d.id = NEW.decision_id AND "
        "(d.settled_at IS NOT NULL OR d.closed_at IS NOT NULL OR d.digest <> NEW.digest))",
    ),
    immutable(
        "approvals_vote",
        columns=_CAST,
        name="vote_cast",
        sentence="a cast vote never changes; it can only be withdrawn",
    ),
    Trigger(
        "vote_withdrawn_once",
        "approvals_vote",
        "UPDATE",
        "a withdrawn vote stays withdrawn",
        "OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at",
    ),
    Trigger("vote_kept", "approvals_vote", "DELETE", "votes are never deleted"),
    *append_only(
        "approvals_exclusion", name="exclusion", sentence="exclusions are never taken back"
    ),
    immutable(
        "approvals_receipt",
        columns=("decision_id", "nonce", "digest", "consumed_at", "consumed_with_id"),
        name="receipt_stamped",
        sentence="a receipt is stamped once",
    ),
    Trigger(
        "receipt_recorded_once",
        "approvals_receipt",
        "UPDATE",
        "the result of a receipt is recorded once",
        "OLD.recorded_at IS NOT NULL",
    ),
    immutable(
        "approvals_delegation",
        columns=_LENDING,
        name="loan_made",
        sentence="a loan never changes; it can only be ended",
    ),
    Trigger(
        "loan_ended_once",
        "approvals_delegation",
        "UPDATE",
        "a loan that was ended stays ended",
        "OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at",
    ),
    Trigger("loan_kept", "approvals_delegation", "DELETE", "loans are never deleted"),
    immutable(
        "approvals_appointment",
        columns=("decision_id", "role_id", "user_id"),
        name="appointment",
        sentence="whom a decision appointed never changes",
    ),
    immutable(
        "approvals_decisionlink",
        columns=("token_hash", "decision_id", "person_id"),
        name="link_made",
        sentence="a link is for one person and one round",
    ),
    Trigger(
        "link_spent_once",
        "approvals_decisionlink",
        "UPDATE",
        "a spent link stays spent",
        "OLD.used_at IS NOT NULL AND NEW.used_at IS DISTINCT FROM OLD.used_at",
    ),
    Trigger("receipt_kept", "approvals_receipt", "DELETE", "receipts are never deleted"),
]
