"""The service's interface as a program uses it."""

import json
import urllib.request
from typing import Any


class Api:
    """Calls with one access key."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, wait: int = 0
    ) -> dict[str, Any]:
        """Return the JSON a call answers with; a read waits so many seconds for a decision."""
        prefer = {"Prefer": f"wait={wait}"} if wait else {}
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/json",
                **prefer,
            },
        )
        with urllib.request.urlopen(request, timeout=10 + wait) as answer:
            known: dict[str, Any] = json.loads(answer.read() or b"{}")
        return known

    def open(self, title: str, **more: Any) -> dict[str, Any]:
        """Open a ticket at the general checkpoint."""
        given = {"title": title, "proposal": {"payee": "ACME", "total": 900}, **more}
        return self.call("POST", "/tickets", given)

    def read(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """Read a ticket again."""
        return self.call("GET", f"/tickets/{ticket['id']}")
