"""Loans of the right to vote."""

from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.contrib.auth.models import Group
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.fields import Instant, StrictSerializer, Text
from approvals.api.schema import describe, sent
from approvals.api.views import MANAGE, READ, ApiView
from approvals.errors import Invalid
from approvals.models import Delegation, User
from approvals.rows import the_one
from approvals.services.delegations import (
    LONGEST_REASON,
    delegations_seen_by,
    end_delegation,
    start_delegation,
)
from audit.clock import shown_now


class DelegationCreateRequest(StrictSerializer):
    """A loan: who votes for whom, until when."""

    delegate = Text(max_length=150, help_text="User name or id of who shall vote.")
    lender = Text(
        max_length=150,
        required=False,
        help_text="Whose votes; yourself by default. Managers name others, and say why.",
    )
    roles = serializers.ListField(
        child=Text(max_length=150),
        required=False,
        allow_empty=False,
        max_length=50,
        help_text="Only the votes of these roles; left out, all of them.",
    )
    starts_at = Instant(required=False, help_text="Now by default.")
    ends_at = Instant(help_text="At most 90 days later.")
    reason = Text(max_length=LONGEST_REASON, required=False, allow_blank=True)


class DelegationAnswer(serializers.Serializer[Any]):
    """A loan of the right to vote."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(["upcoming", "in_force", "over"])
    lender = serializers.CharField()
    lender_label = serializers.CharField()
    delegate = serializers.CharField()
    delegate_label = serializers.CharField()
    roles = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Null: all the lender has."
    )
    reason = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    made_by = serializers.CharField()
    made_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="When it was ended early.")


def delegation_members(loan: Delegation, *, now: datetime) -> dict[str, Any]:
    """Return a loan as those concerned see it."""
    members = {
        "id": loan.pk,
        "state": loan.state_at(now),
        "lender": loan.lender.get_username(),
        "lender_label": loan.lender.label,
        "delegate": loan.delegate.get_username(),
        "delegate_label": loan.delegate.label,
        "roles": sorted(role.name for role in loan.roles.all()) if loan.limited else None,
        "reason": loan.reason,
        "starts_at": loan.starts_at,
        "ends_at": loan.ends_at,
        "made_by": loan.made_by.get_username(),
        "made_at": loan.made_at,
        "ended_at": loan.ended_at,
    }
    return dict(DelegationAnswer(members).data)


class DelegationsPage(ApiView):
    """The caller's loans, and new ones."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": MANAGE}
    people_only = True

    @describe(
        "delegations_list",
        "List the loans of votes I gave or hold",
        tag="delegations",
        lists=DelegationAnswer,
        description="Managers and auditors see everybody's. Newest first.",
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer one page of loans."""
        seen = delegations_seen_by(self.user)
        return self.page(seen, partial(delegation_members, now=shown_now()))

    @describe(
        "delegations_create",
        "Lend my votes to somebody",
        tag="delegations",
        request=DelegationCreateRequest,
        answers={201: DelegationAnswer},
        examples=[
            sent(
                "While on leave",
                {"delegate": "ben", "ends_at": "2030-07-31T18:00:00Z", "reason": "Summer leave"},
            ),
            sent(
                "A manager for somebody else",
                {
                    "lender": "ann",
                    "delegate": "ben",
                    "roles": ["reviewer"],
                    "ends_at": "2030-07-31T18:00:00Z",
                    "reason": "Ann is ill.",
                },
            ),
        ],
        description="Both stay one voice: a vote cast for you is yours, and whoever votes for you "
        "has no second one. What is lent is not lent further, and ends by itself.",
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Start a loan."""
        given = self.given(DelegationCreateRequest)
        lender = _person(given["lender"], at="/lender") if "lender" in given else self.user
        loan = start_delegation(
            lender=lender,
            delegate=_person(given["delegate"], at="/delegate"),
            starts_at=given.get("starts_at"),
            ends_at=given["ends_at"],
            roles=_roles(given.get("roles", [])),
            reason=given.get("reason", ""),
            by=self.user,
        )
        return Response(delegation_members(loan, now=shown_now()), status=201)


class DelegationPage(ApiView):
    """One loan."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "DELETE": MANAGE}
    people_only = True

    @describe(
        "delegations_read",
        "Read a loan of votes",
        tag="delegations",
        answers={200: DelegationAnswer},
    )
    def get(self, request: Request, delegation_id: str) -> Response:  # noqa: ARG002
        """Answer one loan."""
        return Response(delegation_members(self._seen(delegation_id), now=shown_now()))

    @describe(
        "delegations_end",
        "End a loan of votes",
        tag="delegations",
        answers={204: None},
        description="At once, by either of the two or a manager; its votes on questions that are "
        "still open count no more. Ending twice changes nothing.",
    )
    def delete(self, request: Request, delegation_id: str) -> Response:  # noqa: ARG002
        """End a loan early."""
        end_delegation(delegation_id=self._seen(delegation_id).pk, by=self.user)
        return Response(status=204)

    def _seen(self, delegation_id: str) -> Delegation:
        return the_one(delegations_seen_by(self.user).filter(pk=delegation_id))


def _person(named: str, *, at: str) -> User:
    people = User.objects.filter(kind=User.Kind.HUMAN)
    person = people.filter(username=named).first()
    if person is None and named.isascii() and named.isdigit() and len(named) < 10:
        person = people.filter(pk=int(named)).first()
    if person is None:
        raise Invalid.at(at, "There is no person of this name.")
    return person


def _roles(names: list[str]) -> list[Group]:
    found = {role.name: role for role in Group.objects.filter(name__in=names)}
    for place, name in enumerate(names):
        if name not in found:
            raise Invalid.at(f"/roles/{place}", "There is no role of this name.")
    return list(found.values())
