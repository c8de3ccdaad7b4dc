"""Sort posts: surely safe ones pass, surely unsafe ones go, a person looks at the rest.

The thresholds are rules of the checkpoint `content-moderation`, which managers change at the desk:
safe above 0.95 passes, unsafe above 0.99 is removed.
"""

import json
import os
from pathlib import Path

from hitl_client import HitlClient

POSTS = Path(__file__).parent / "data" / "posts.jsonl"
WORDS = {True: "published", False: "removed", None: "waits for a moderator"}

with HitlClient(os.environ["HITL_URL"], os.environ["HITL_TOKEN"]) as client:
    for line in POSTS.read_text().splitlines():
        post = json.loads(line)
        ticket = client.submit_for_review(
            {"author": post["author"], "text": post["text"]},
            checkpoint="content-moderation",
            title=f"Post of {post['author']}",
            idempotency_key=f"post-{post['author']}",
            ai={"prediction": post["prediction"], "confidence": post["confidence"]},
        )
        now = client.get_decision(ticket["id"])
        by = f" by {now['decision']['by']}" if now["decision"] else ""
        print(f"{post['author']}: {WORDS[now['allowed']]}{by}")
