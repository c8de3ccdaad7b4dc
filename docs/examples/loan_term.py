"""Wait for a person to decide the demo's loan-term draft, and prove what they decided.

Run it beside `make demo`: .venv-run/bin/python docs/examples/loan_term.py
"""

import json
import os
from pathlib import Path

from hitl_client import HitlClient

demo = json.loads((Path(os.environ.get("HITL_DATA_DIR", "var")) / "demo.json").read_text())

with HitlClient(demo["url"], demo["service_key"]) as client:
    draft = client.get_decision("demo-loan-term")
    print(f"{draft['ref']} “{draft['title']}” is {draft['status']}; see {demo['url']}/admin/")
    ticket = client.wait_for_decision(draft["id"], timeout=600)
    print(f"status   {ticket['status']}")
    print(f"reason   {ticket['comments']}")
    claims = client.verify_receipt(client.receipt(ticket["id"])["receipt"])
    voters = ", ".join(f"{vote['name']} ({vote['choice']})" for vote in claims["voters"])
    action = claims["action_digest"][:12]
    print(f"receipt  verified: {claims['outcome']} by {voters}, action {action}…")
