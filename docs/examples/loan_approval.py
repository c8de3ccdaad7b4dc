"""Decide on loans: a high score passes, a low one is refused with its notice, an underwriter
decides on what lies between.

The thresholds are rules of the checkpoint `loan-approval`: above 0.80, and below 0.40.
"""

import json
import os
from pathlib import Path

from hitl_client import AlreadyConsumed, HitlClient

APPLICATIONS = Path(__file__).parent / "data" / "applications.jsonl"


def adverse_action_notice(applicant, ticket):
    """Return what somebody is told who is refused: why, on which ground, and what they may do."""
    against = [one["name"] for one in ticket["ai"]["features"] if one["importance"] < 0]
    decision = ticket["decision"]
    return "\n".join(
        [
            f"Dear {applicant}, we cannot lend you the amount you asked for.",
            f"  What weighed against it: {', '.join(against)}.",
            f"  Why: {decision['comments']} (by {decision['by']}).",
            f"  {ticket['rule']['legal_basis'] or 'You may ask for the reasons.'}",
            f"  You may have a person look at it again; name {ticket['ref']}.",
        ]
    )


with HitlClient(os.environ["HITL_URL"], os.environ["HITL_TOKEN"]) as client:
    for line in APPLICATIONS.read_text().splitlines():
        application = json.loads(line)
        number, weighed = application.pop("id"), application.pop("weighed")
        ticket = client.submit_for_review(
            application,
            checkpoint="loan-approval",
            title=f"Loan for {application['applicant']}",
            idempotency_key=f"loan-{number}",
            amount=application["amount"],
            domain="financial",
            ai={
                "prediction": "approve" if application["score"] >= 0.5 else "reject",
                "confidence": application["score"],
                "features": [{"name": name, "importance": by} for name, by in weighed],
            },
        )
        now = client.get_decision(ticket["id"])
        if now["allowed"] is None:
            print(f"{application['applicant']}: waits for an underwriter ({now['ref']})")
        elif now["allowed"]:
            try:
                client.consume(now["id"], now["approved"])
            except AlreadyConsumed:
                print(f"{application['applicant']}: lent before")
            else:
                print(f"{application['applicant']}: lends {now['approved']['amount']}")
        else:
            print(adverse_action_notice(application["applicant"], now))
