"""Links as mails carry them, and somebody who opens them in a browser."""

import re
from typing import Any
from urllib.parse import urlencode

from django.db import connection

from approvals.models import Decision, DecisionLink, User
from approvals.services.links import issue_link
from audit.clock import db_now
from tests.prove import web

_FORM = re.compile(rb'name="csrfmiddlewaretoken" value="(\w+)"')


def link_for(ticket: Any, person: User) -> tuple[DecisionLink, str]:
    """Return a link to the present round of a ticket (its id), and its token."""
    decision = Decision.objects.filter(subject=ticket).order_by("-round")[0]
    return issue_link(decision=decision, person=person, now=db_now())


class Reader:
    """One browser: it follows a link, keeps its cookies, and confirms."""

    def __init__(self, url: str, **headers: str) -> None:
        self.client = web.Client(url, **headers)
        self.cookies: dict[str, str] = {}
        self.page = ""

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Return status and body; cookies are kept whatever their path."""
        more = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            more["Content_Type"] = "application/x-www-form-urlencoded"
        status, answer, headers = self.client.call(method, path, body, **more)
        set_cookie = headers.get("set-cookie", "").partition(";")[0]
        if set_cookie:
            name, _, value = set_cookie.partition("=")
            self.cookies[name] = value.strip('"')
        self.page = headers.get("location", self.page)
        return status, answer

    def open(self, token: str) -> int:
        """Open a link; return the status of the page it led to, or of its refusal."""
        self.page = ""
        status, _ = self.call("GET", f"/a/{token}")
        return self.call("GET", self.page)[0] if status == 303 else status

    def confirm(self, **form: str) -> int:
        """Send the page's form; return the status."""
        page = self.page
        _, shown = self.call("GET", page)
        found = _FORM.search(shown if isinstance(shown, bytes) else b"")
        if found is None:
            # No form is shown any more; a page left open would still hold one.
            _, shown = self.call("GET", "/admin/login/")
            found = _FORM.search(shown)
        assert found is not None
        given = {"act": "vote", "reason": "", **form, "csrfmiddlewaretoken": found[1].decode()}
        return self.call("POST", page, urlencode(given).encode())[0]

    def close(self) -> None:
        self.client.close()


def every_row(*, but: frozenset[str] = frozenset({"django_session"})) -> dict[str, str]:
    """Return each table's content as one checksum."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table not in but:
                whole = "COALESCE(md5(string_agg(t::text, '|' ORDER BY t::text)), '')"
                cursor.execute(f'SELECT {whole} FROM "{table}" t')
                found[table] = cursor.fetchone()[0]
    return found


def whole_database() -> str:
    """Return every row of every table as text."""
    pieces = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            pieces += [row[0] for row in cursor.fetchall()]
    return "\n".join(pieces)
