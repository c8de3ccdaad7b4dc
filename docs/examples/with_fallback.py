"""Read invoices by machine; a person takes over where that fails or is too unsure.

Run it again when somebody has answered: each run finds its earlier questions and goes on.
"""

import os

from hitl_client import AlreadyConsumed, Expired, HitlClient, HumanStep, Pending, Rejected

INVOICES = {"clear": "total 120.00", "smudged": "t0tal 1?0", "empty": ""}


def read_total(data):
    """Return the total and how sure the machine is; nothing to read is an error."""
    text = INVOICES[data["invoice"]]
    if not text:
        raise ValueError("the page is empty")
    sure = 0.2 if "?" in text else 0.97
    return {"total": text.split()[-1], "confidence": sure}


with HitlClient(os.environ["HITL_URL"], os.environ["HITL_TOKEN"]) as client:
    for name in INVOICES:
        step = HumanStep(client, pipeline="invoices", step="read", run_id=f"example-{name}")
        asked = step.with_fallback({"invoice": name}, read_total, title=f"Read invoice {name}")
        if asked["status"] == "automated_success":
            print(f"{name}: {asked['result']['total']} by machine")
            continue
        try:
            done = step.resume(asked["interaction_id"])
        except Pending:
            print(f"{name}: waits for a person ({asked['escalation_reason']})")
        except AlreadyConsumed:
            print(f"{name}: done before")
        except (Rejected, Expired) as no:
            print(f"{name}: nobody can ({no})")
        else:
            print(f"{name}: {done['manual_result']} by hand, confidence {done['confidence']}")
