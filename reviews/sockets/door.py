"""Who may open a socket, and whether they still may.

A cookie counts only from a page of ours: unlike a form's, a socket's request carries no token that
tells our pages from others. A program sends its key as a header; no address ever holds one.
"""

from collections.abc import Collection, Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, parse_cookie
from django.http.request import split_domain_port, validate_host
from django.utils.crypto import constant_time_compare

from approvals.api.authentication import is_bearer, key_of, token_of
from approvals.models import AccessKey, User
from approvals.services.keys import admits, is_good, mark_of, opens
from audit.clock import db_now


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or machine with what let them in: a session or a key, by id and mark."""

    user_id: int
    username: str
    by: str
    id: str
    mark: str
    address: str = ""


def admitted(scope: dict[str, Any]) -> Caller | None:
    """Return who asks for a socket, or None for somebody who is to have none."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers and name in (b"authorization", b"origin", b"host"):
            return None
        headers[name] = value
    given = headers.get(b"authorization", b"")
    if b"origin" in headers and not _is_ours(scope, headers):
        return None
    if given:
        return _by_key(given, (scope.get("client") or ("",))[0])
    if b"origin" not in headers:
        return None
    return _by_session(headers.get(b"cookie", b"").decode("latin-1"))


def _is_ours(scope: dict[str, Any], headers: dict[bytes, bytes]) -> bool:
    """Tell whether the page that asks is one of this very address, or of a trusted one."""
    origin = headers[b"origin"].decode("latin-1")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    host = headers.get(b"host", b"").decode("latin-1")
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    name, _ = split_domain_port(host)
    known = bool(name) and validate_host(name, settings.ALLOWED_HOSTS)
    return known and urlsplit(origin)[:2] == (scheme, host) and origin == f"{scheme}://{host}"


def _by_key(given: bytes, address: str) -> Caller | None:
    key = key_of(given, address=address) if is_bearer(given) else None
    if key is None or AccessKey.Scope.READ not in key.scopes:
        return None
    mark = mark_of(token_of(given))
    return Caller(key.user_id, key.user.get_username(), "key", str(key.pk), mark, address)


def _by_session(cookies: str) -> Caller | None:
    session = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME)
    if not session:
        return None
    request = HttpRequest()
    request.session = SessionStore(session)
    user = get_user(request)
    if not isinstance(user, User) or not user.is_active:
        return None
    return Caller(user.pk, user.get_username(), "session", session, user.get_session_auth_hash())


def still_standing(callers: Iterable[Caller]) -> set[Caller]:
    """Return those callers whose session or key would let them in again, in four queries."""
    given = set(callers)
    by_session = [caller for caller in given if caller.by == "session"]
    by_key = [caller for caller in given if caller.by == "key"]
    return _with_session(by_session) | _with_key(by_key)


def _with_session(callers: Collection[Caller]) -> set[Caller]:
    if not callers:
        return set()
    kept = SessionStore.get_model_class().objects.filter(
        session_key__in=[caller.id for caller in callers], expire_date__gt=db_now()
    )
    sessions = set(kept.values_list("session_key", flat=True))
    people = User.objects.only("password", "is_active").in_bulk(
        {caller.user_id for caller in callers if caller.id in sessions}
    )
    # A changed password changes the mark.
    marks = {
        person.pk: person.get_session_auth_hash() for person in people.values() if person.is_active
    }
    return {
        caller
        for caller in callers
        if caller.id in sessions
        and constant_time_compare(caller.mark, marks.get(caller.user_id, ""))
    }


def _with_key(callers: Collection[Caller]) -> set[Caller]:
    if not callers:
        return set()
    now = db_now()
    found = AccessKey.objects.select_related("user", "owner").filter(
        pk__in={caller.id for caller in callers}
    )
    keys = {str(key.pk): key for key in found}
    standing = set()
    for caller in callers:
        if caller.id not in keys:
            continue
        key = copy(keys[caller.id])
        # Whether it is good is asked after `opens`, which may end it sooner.
        good = opens(key, caller.mark) and is_good(key, now=now) and admits(key, caller.address)
        if good and AccessKey.Scope.READ in key.scopes:
            standing.add(caller)
    return standing
