"""`HITLService`: the reviewer's two calls under the names an earlier design gave them.

What they call an override is a person's vote; the service treats it as any other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from hitl_client import flows, person_calls
from hitl_client.connection import Connection
from hitl_client.errors import Invalid
from hitl_client.transport import Bearer

DEFAULT_URL = "http://127.0.0.1:8000"
DECISIONS = ("approve", "veto", "adjust")


class HITLService:
    """What waits in a region, and a person's decision on it.

    `api_token` is a personal token: machines do not decide. `core_url` is the service's base URL;
    without one the environment's `HITL_URL` counts, else `http://127.0.0.1:8000`. `timeout` is in
    seconds, `retries` the number of further tries.

    A decision is bound to what was fetched: when a proposal changed since `fetch_pending`, deciding
    on it raises TicketChanged; fetch again and look. Threads may share a service; `close()` it, or
    use it in a `with` block. Both methods may raise any `HitlError`.

    :raises ValueError: when the URL is not an http(s) base URL or the token cannot be one.
    """

    def __init__(
        self,
        api_token: str,
        core_url: str | None = None,
        *,
        timeout: float = 10.0,
        retries: int = 3,
    ) -> None:
        self._connection = Connection(
            core_url or os.environ.get("HITL_URL") or DEFAULT_URL,
            Bearer(api_token),
            timeout=timeout,
            retries=retries,
        )
        self.core_url = self._connection.core_url
        self._lock = threading.Lock()
        # By region, so that what a region no longer lists is forgotten with its next fetch.
        self._versions: dict[str, dict[str, int]] = {}

    def fetch_pending(self, region: str) -> list[dict[str, Any]]:
        """Return the pending proposals of a region: at least `id` and `version` each.

        :raises Forbidden: for a region that is not the caller's (`.code` `region-not-yours`).
        """
        connection = self._connection
        flow = flows.send_for_list(connection.around, person_calls.proposals(region))
        found = connection.drive(flow)
        versions = {
            str(item.get("id")): version
            for item in found
            if isinstance(version := item.get("version"), int) and not isinstance(version, bool)
        }
        with self._lock:
            self._versions.pop(region, None)
            self._versions[region] = versions
        return found

    def submit_override(
        self,
        proposal_id: str,
        decision: str,
        comments: str = "",
        adjustments: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Decide on a proposal and return `{"status": "ok"}`.

        `decision` is `approve`, `veto` (stop it) or `adjust` (approve it with changed parameters:
        `adjustments`, by name). Veto and adjust need `comments`.

        :raises TicketChanged: when the proposal is no longer what `fetch_pending` returned.
        :raises NotEligible: when this person has no vote on it.
        :raises Invalid: for another decision, or what the service refuses (`.errors`).
        """
        if decision not in DECISIONS:
            raise Invalid(f"decision must be one of {', '.join(DECISIONS)}")
        name = str(proposal_id)
        call = person_calls.override(
            name,
            decision=decision,
            comments=comments,
            adjustments=adjustments,
            version=self._version(name),
        )
        return self._connection.send(call)

    def close(self) -> None:
        """Close the kept connections. The service cannot be used afterwards."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<HITLService {self.core_url}>"

    def _version(self, proposal_id: str) -> int | None:
        with self._lock:
            for versions in reversed(self._versions.values()):
                if proposal_id in versions:
                    return versions[proposal_id]
        return None
