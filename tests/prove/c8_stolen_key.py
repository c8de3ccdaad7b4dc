"""C8: a stolen key ends at once; while it works it opens and reads its own work, nothing else."""

import time
from typing import Any

from approvals.models import AccessKey, ApprovalPolicy, Vote
from approvals.services.keys import create_key, revoke_key
from audit.clock import db_now
from reviews.models import Checkpoint, Ticket, WebhookEndpoint
from tests.prove.cast import Cast, cast, person
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene
from tests.prove.web import Client

Call = tuple[str, str, Any]


def own(ticket: str, asking: dict[str, Any]) -> list[Call]:
    """Return what a key may do as long as it is good."""
    return [
        ("GET", "/api/v1/tickets", None),
        ("GET", f"/api/v1/tickets/{ticket}", None),
        ("GET", f"/api/v1/tickets/{ticket}/events", None),
        ("POST", "/api/v1/tickets", asking),
        ("GET", "/api/v1/checkpoints", None),
        ("GET", "/api/v1/status", None),
        ("GET", "/api/v1/me", None),
    ]


def foreign(mine: str, other: str, people: Cast, webhook: str) -> list[Call]:
    """Return what no service key may do, however many scopes it carries."""
    hook, policy = f"/api/v1/webhooks/{webhook}", {"slug": people.checkpoint, "question": {}}
    return [
        ("POST", f"/api/v1/tickets/{mine}/votes", {"choice": "approve", "version": 1}),
        ("DELETE", f"/api/v1/tickets/{mine}/votes/mine", None),
        ("POST", f"/api/v1/tickets/{mine}/claim", {}),
        ("POST", f"/api/v1/tickets/{mine}/revoke", {"reason": "Because."}),
        ("POST", "/api/v1/tickets/bulk-votes",
         {"choice": "approve", "tickets": [{"id": mine, "version": 1}]}),
        ("POST", "/api/v1/queues/general/next", {}),
        ("GET", f"/api/v1/tickets/{other}", None),
        ("GET", f"/api/v1/tickets/{other}/events", None),
        ("GET", f"/api/v1/tickets/{other}/receipt", None),
        ("POST", f"/api/v1/tickets/{other}/cancel", {"reason": "Mine."}),
        ("POST", f"/api/v1/tickets/{other}/resubmit", {"proposal": {"amount": 9}}),
        ("POST", "/api/v1/policies", policy),
        ("PATCH", f"/api/v1/policies/{people.checkpoint}", policy),
        ("POST", "/api/v1/keys", {"name": "another", "kind": "service"}),
        ("DELETE", f"/api/v1/keys/{people.key.pk}", None),
        ("POST", "/api/v1/bypasses", {"duration": "1h", "reason": "All is on fire here."}),
        ("POST", "/api/v1/delegations",
         {"delegate": people.voters[0].get_username(), "ends_at": "2099-01-01"}),
        ("GET", "/api/v1/webhooks", None),
        ("POST", "/api/v1/webhooks", {"name": "mine", "url": "https://example.com/"}),
        ("PATCH", hook, {"url": "https://example.com/"}),
        ("DELETE", hook, None),
        ("POST", f"{hook}/rotate-secret", {}),
        ("GET", f"{hook}/deliveries", None),
    ]  # fmt: skip


def accepted(client: Client, calls: list[Call]) -> int:
    return sum(client.call(*call)[0] < 300 for call in calls)


def steal(scene: Scene) -> Figure:
    people = cast(voters=1)
    webhook = str(WebhookEndpoint.objects.values_list("pk", flat=True)[0])
    owner = person("somebody-else")
    keys = scene.size(40, least=4)
    refused_good = abused = still = 0
    with scene.served() as url:
        for number in range(keys):
            key, token = create_key(
                name=f"stolen {number}", kind="service", owner=owner, now=db_now()
            )
            # Even with every scope there is: what a key may do is not said by its scopes alone.
            AccessKey.objects.filter(pk=key.pk).update(scopes=list(AccessKey.Scope.values))
            thief = Client(url, token)
            asking = {"title": "The key's own", "checkpoint": people.checkpoint}
            _, opened, _ = thief.call("POST", "/api/v1/tickets", asking)
            other = str(people.open().pk)
            calls = own(opened["id"], asking)
            refused_good += len(calls) - accepted(thief, calls)
            before = _standing()
            abused += accepted(thief, foreign(opened["id"], other, people, webhook))
            abused += _standing() != before
            revoke_key(key=key, by=owner, now=db_now())
            still += accepted(thief, calls)
            if number % 10 == 0:  # and not a second later either
                time.sleep(1)
                still += accepted(thief, calls) + accepted(Client(url, token), calls)
            thief.close()
    stored = sum(token in str(row) for row in AccessKey.objects.values())
    return figure(
        f"{keys} keys with every scope, 23 foreign calls and 7 own ones each, before and after",
        own_calls_refused=refused_good,
        foreign_calls_accepted=abused,
        accepted_after_revocation=still,
        tokens_stored=stored,
    )


def _standing() -> tuple[Any, ...]:
    """Return what no key may change."""
    return (
        Vote.objects.count(),
        AccessKey.objects.count(),
        ApprovalPolicy.objects.count(),
        Checkpoint.objects.count(),
        list(WebhookEndpoint.objects.order_by("pk").values()),
        Ticket.objects.exclude(status="pending").count(),
    )


def run(scene: Scene) -> Figure:
    return steal(scene)


def control(scene: Scene) -> Figure:
    """Take every key for good that was ever given out."""
    scene.switch_off("key-state")
    return steal(scene)


ROW = Row("C8", "A stolen key ends with its revocation, and never votes or manages", run, control)
