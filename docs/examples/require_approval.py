"""Let a function run only after a person said yes. Run it beside `make demo`."""

import json
import os
from pathlib import Path

from hitl_client import HitlClient, require_approval

demo = json.loads((Path(os.environ.get("HITL_DATA_DIR", "var")) / "demo.json").read_text())
client = HitlClient(demo["url"], demo["service_key"])


@require_approval(client)
def extend_loan_term(years):
    print(f"Loans may now run {years} years.")


extend_loan_term(7)
