"""The question put to people, and its answer."""

from approvals.models.access_key import AccessKey
from approvals.models.bypass import Bypass
from approvals.models.decision import Decision, Exclusion
from approvals.models.delegation import Delegation
from approvals.models.link import DecisionLink
from approvals.models.policy import ApprovalPolicy, PolicyStage, StageGrant
from approvals.models.receipt import Receipt
from approvals.models.role import Appointment, RoleProfile
from approvals.models.user import User
from approvals.models.vote import Vote

__all__ = [
    "AccessKey",
    "Appointment",
    "ApprovalPolicy",
    "Bypass",
    "Decision",
    "DecisionLink",
    "Delegation",
    "Exclusion",
    "PolicyStage",
    "Receipt",
    "RoleProfile",
    "StageGrant",
    "User",
    "Vote",
]
