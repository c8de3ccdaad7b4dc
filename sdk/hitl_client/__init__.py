"""Ask people before software acts: the client of Countersign."""

from hitl_client.approval import require_approval
from hitl_client.async_client import AsyncHitlClient
from hitl_client.canonical import action_digest
from hitl_client.client import HitlClient
from hitl_client.errors import (
    AlreadyConsumed,
    Cancelled,
    Conflict,
    Expired,
    Forbidden,
    HitlError,
    Invalid,
    NeedsChanges,
    NotEligible,
    NotFound,
    Pending,
    RateLimited,
    ReceiptInvalid,
    Rejected,
    Revoked,
    TicketChanged,
    Unauthenticated,
    Unavailable,
    WebhookInvalid,
)
from hitl_client.guard import AsyncConsumption, AsyncGuard, Consumption, Guard
from hitl_client.hitl_service import HITLService
from hitl_client.steps import HumanStep
from hitl_client.version import VERSION as __version__
from hitl_client.webhooks import verify_webhook

__all__ = [
    "AlreadyConsumed",
    "AsyncConsumption",
    "AsyncGuard",
    "AsyncHitlClient",
    "Cancelled",
    "Conflict",
    "Consumption",
    "Expired",
    "Forbidden",
    "Guard",
    "HITLService",
    "HitlClient",
    "HitlError",
    "HumanStep",
    "Invalid",
    "NeedsChanges",
    "NotEligible",
    "NotFound",
    "Pending",
    "RateLimited",
    "ReceiptInvalid",
    "Rejected",
    "Revoked",
    "TicketChanged",
    "Unauthenticated",
    "Unavailable",
    "WebhookInvalid",
    "__version__",
    "action_digest",
    "require_approval",
    "verify_webhook",
]
