"""Roll a model out in steps of 10, 50 and 100 %: people decide before each of them.

The next step is asked about only when this one is reported as applied.
"""

import os

from hitl_client import Guard, HitlClient

MODEL = {"model": "sorter-5", "replaces": "sorter-4"}


def send_traffic(share):
    """Do what was decided; here it only says so."""
    print(f"{share} % of the traffic goes to {MODEL['model']}", flush=True)


with HitlClient(os.environ["HITL_URL"], os.environ["HITL_TOKEN"]) as client:
    ticket = client.submit_for_review(
        MODEL, checkpoint="model-rollout", title="Roll sorter-5 out", idempotency_key="sorter-5"
    )["id"]
    while ticket is not None:
        now = client.wait_for_decision(ticket, timeout=3600)
        with Guard(client).verify_and_consume(ticket, MODEL) as consumption:
            send_traffic(now["policy"]["repeat"]["steps"][0])
        ticket = consumption.next_ticket
    print("rolled out")
