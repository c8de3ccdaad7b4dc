"""What every page of the interface has in common: who may call it, and what its answer carries."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, CharField
from rest_framework.views import APIView

from approvals.api.bodies import ApiRequest, StrictJsonParser
from approvals.api.fields import StrictSerializer, shown
from approvals.api.paging import CursorPage
from approvals.api.throttles import rate_headers
from approvals.confirmation import confirmed_by
from approvals.errors import Invalid, MachineCannotVote, NotAllowed, ScopeMissing
from approvals.models import AccessKey, User
from approvals.safeguards import Confirmed

READ, SUBMIT = AccessKey.Scope.READ, AccessKey.Scope.SUBMIT
RECEIPT, VOTE, MANAGE = AccessKey.Scope.RECEIPT, AccessKey.Scope.VOTE, AccessKey.Scope.MANAGE


class PageQuery(StrictSerializer):
    """Which page."""

    cursor = CharField(required=False, max_length=400)
    limit = CharField(required=False)


class ApiView(APIView):
    """One address of the interface.

    `scopes` says which scope a key needs for a method; a session needs none. What takes the scope
    of votes is for people, and so is, where `people_only`, everything but reading: machines are
    refused before anything is looked up. `ordering` is the column lists are in the order of.
    """

    parser_classes = [StrictJsonParser]
    http_method_names = ["get", "head", "post", "delete"]
    scopes: ClassVar[dict[str, str]] = {}
    people_only: ClassVar[bool] = False
    ordering: ClassVar[str] = "-id"

    def initialize_request(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> Request:
        """Return the request whose body is read as a whole."""
        return ApiRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse who may not call this at all.

        :raises Refusal: MachineCannotVote, ScopeMissing, Invalid.
        """
        super().initial(request, *args, **kwargs)
        needed = self.scopes.get(request.method or "")
        for_people = needed == VOTE or (self.people_only and request.method not in SAFE_METHODS)
        if for_people and self.user.is_machine:
            raise MachineCannotVote
        if needed and self.key is not None and needed not in self.key.scopes:
            raise ScopeMissing(f"This key does not carry the scope {needed}.", scope=needed)
        self._refuse_strangers((request.method or "").lower())

    def _refuse_strangers(self, method: str) -> None:
        """Refuse parameters the operation does not know: one that is misspelt would do nothing.

        :raises Invalid: naming each of them.
        """
        known = getattr(getattr(self, method, None), "query", None)
        if known is None:
            return
        told = f"known are: {', '.join(known)}" if known else "it takes none"
        message = f"This address takes no such parameter; {told}."
        strangers = [name for name in self.request.query_params if name not in known]
        if strangers:
            raise Invalid(
                errors=[{"parameter": shown(name), "message": message} for name in strangers]
            )

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Return the answer with the headers that every answer carries."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        # An ETag is for If-Match alone; what somebody may see can change without it.
        answer.headers.setdefault("Cache-Control", "no-store")
        for name, value in rate_headers(request).items():
            answer.headers[name] = value
        return answer

    @property
    def user(self) -> User:
        """Return who calls."""
        user = self.request.user
        assert isinstance(user, User)
        return user

    @property
    def key(self) -> AccessKey | None:
        """Return the key the call came with; None for a session."""
        return self.request.auth if isinstance(self.request.auth, AccessKey) else None

    def given(self, serializer: type[BaseSerializer[Any]], data: Any = None) -> dict[str, Any]:
        """Return the validated members of the body (or of `data`)."""
        reader = serializer(data=self.request.data if data is None else data)
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)

    def asked(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """Return the validated query parameters.

        :raises Invalid: naming each parameter that is unknown, repeated or wrong.
        """
        query = self.request.query_params
        twice = [name for name in query if len(query.getlist(name)) > 1]
        if twice:
            message = "This parameter is given twice."
            raise Invalid(errors=[{"parameter": name[:64], "message": message} for name in twice])
        reader = serializer(data=query.dict())
        if not reader.is_valid():
            raise Invalid(
                errors=[
                    {"parameter": str(name)[:64], "message": str(_first(problem))}
                    for name, problem in dict(reader.errors).items()
                ]
            )
        return dict(reader.validated_data)

    def page(
        self,
        rows: Any,
        told: Callable[[Any], Any],
        *,
        query: type[PageQuery] = PageQuery,
    ) -> Response:
        """Answer the page of these rows that the query names, each as `told` says it."""
        self.asked(query)
        pages = CursorPage()
        found = pages.paginate_queryset(rows, self.request, self)
        return pages.get_paginated_response([told(row) for row in found])

    def confirmed(self, given: dict[str, Any]) -> Confirmed:
        """Return how the caller is confirmed, taking `password` and `code` out of the body.

        :raises Refusal: IdentityNotConfirmed, TooManyTries.
        """
        proof = {name: given.pop(name, "") for name in ("password", "code")}
        return confirmed_by(self.request._request, self.user, key=self.key, **proof)  # noqa: SLF001

    def need(self, right: str) -> None:
        """Refuse a caller without this right.

        :raises NotAllowed: where it is missing.
        """
        if not self.user.has_perm(right):
            raise NotAllowed


def _first(problem: Any) -> Any:
    while isinstance(problem, dict | list) and problem:
        problem = next(iter(problem.values())) if isinstance(problem, dict) else problem[0]
    return problem
