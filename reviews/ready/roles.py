"""The five office roles and what each may do at the desk. Who may vote is said by policies."""

REVIEWER, LEAD, MANAGER, AUDITOR, ADMIN = "reviewer", "lead", "manager", "auditor", "admin"

_SEES_ITS_TICKETS = (
    "reviews.view_ticket",
    "reviews.view_checkpoint",
    "reviews.view_queue",
    "reviews.view_comment",
    "reviews.add_comment",
    "approvals.view_vote",
)
_SEES_EVERYTHING = (
    "audit.view_*",
    "approvals.view_*",
    "reviews.view_*",
    "auth.view_group",
)

# Role → rights as `application.codename`; `*` stands for any ending.
OFFICE_ROLES: dict[str, tuple[str, ...]] = {
    REVIEWER: _SEES_ITS_TICKETS,
    LEAD: (
        *_SEES_ITS_TICKETS,
        "reviews.view_any_ticket",
        "reviews.view_assignment",
        "reviews.add_assignment",
        "reviews.view_region",
        "reviews.view_delivery",
        "approvals.view_approvalpolicy",
        "approvals.view_policystage",
        "approvals.view_bypass",
        "approvals.start_bypass",
    ),
    MANAGER: (
        *_SEES_EVERYTHING,
        "reviews.add_comment",
        "reviews.add_assignment",
        "reviews.change_assignment",
        "reviews.add_checkpoint",
        "reviews.change_checkpoint",
        "reviews.add_rule",
        "reviews.change_rule",
        "reviews.delete_rule",
        "reviews.add_queue",
        "reviews.change_queue",
        "reviews.add_calendar",
        "reviews.change_calendar",
        "reviews.add_queuechoice",
        "reviews.change_queuechoice",
        "reviews.delete_queuechoice",
        "reviews.add_region",
        "reviews.change_region",
        "reviews.add_webhookendpoint",
        "reviews.change_webhookendpoint",
        "reviews.change_delivery",
        "approvals.add_approvalpolicy",
        "approvals.add_accesskey",
        "approvals.add_delegation",
        "approvals.start_bypass",
        "approvals.change_accesskey",
        "auth.change_group",
    ),
    AUDITOR: _SEES_EVERYTHING,
    ADMIN: ("audit.*", "approvals.*", "reviews.*", "auth.*"),
}
