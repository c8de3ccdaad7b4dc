"""Act on decisions from the Redis stream `HITLDecision`: several workers share its entries.

    REDIS_URL=redis://… python docs/examples/consume_decisions.py WORKER

An entry is acknowledged only when `act` came back. What a worker left undone when it died is
claimed by another after a minute. An entry may come twice: the id of its event tells.
"""

import json
import os
import sys

import redis

STREAM, GROUP = "HITLDecision", os.environ.get("GROUP", "ledger")
STALE_MS = int(os.environ.get("STALE_MS", "60000"))
# With ONCE set: until nothing is left, then end.
WAIT_MS = 100 if os.environ.get("ONCE") else 5000


def act(ticket: str, decision: str, event: dict) -> None:
    """Do what a decision means to you; make it harmless to repeat where you can."""
    print(f"{ticket} {decision} allowed={event['data']['allowed']}", flush=True)


def handle(client: redis.Redis, number: str, entry: dict) -> None:
    """Act on one entry unless that was done, then acknowledge it."""
    event = json.loads(entry["event"])
    seen = f"{GROUP}:seen:{event['id']}"
    if not client.exists(seen):
        act(entry["id"], entry["decision"], event)
        client.set(seen, 1, ex=14 * 24 * 3600)
    client.xack(STREAM, GROUP, number)


def main(worker: str) -> None:
    """Read what is new, and what others left undone."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    try:
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError:
        pass  # the group is there already
    while True:
        stale = client.xautoclaim(STREAM, GROUP, worker, STALE_MS, count=50)[1]
        new = client.xreadgroup(GROUP, worker, {STREAM: ">"}, count=50, block=WAIT_MS)
        entries = [*stale, *(entry for _, some in new or [] for entry in some)]
        for number, entry in entries:
            try:
                handle(client, number, entry)
            except Exception as problem:  # it stays with the group and is claimed again
                print(f"{number} failed: {problem}", file=sys.stderr, flush=True)
        if os.environ.get("ONCE") and not entries:
            return


if __name__ == "__main__":
    main(sys.argv[1])
