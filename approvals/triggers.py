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
        # By identity, not by account: an account made later may be the same person's.
        "EXISTS (SELECT 1 FROM approvals_exclusion e "
        "JOIN approvals_user o ON o.id = e.user_id "
        "JOIN approvals_user v ON v.id = o.id OR v.identity = o.identity "
        "WHERE e.decision_id = NEW.decision_id AND v.id IN (NEW.voter_id, NEW.principal_id))",
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
    Trigger("receipt_kept", "approvals_receipt", "DELETE", "receipts are never deleted"),
]
