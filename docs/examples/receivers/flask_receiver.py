"""Hear of decisions with Flask: believe what is signed, once, and let the pipeline go on.

Run it with HITL_URL, HITL_TOKEN (the service key), WEBHOOK_SECRET (shown beside the key, or when a
webhook is made) and SEEN (a file that remembers messages) in the environment:

    flask --app flask_receiver run --port 9000
"""

import json
import os
import sqlite3
from contextlib import closing

from flask import Flask, abort, request
from hitl_client import AlreadyConsumed, HitlClient, HumanStep, WebhookInvalid, verify_webhook

app = Flask(__name__)
client = HitlClient(os.environ["HITL_URL"], os.environ["HITL_TOKEN"])
step = HumanStep(client, pipeline="orders", step="check")


def go_on(event):
    """Resume the step this message is about. The receipt is used up, so it happens once."""
    data = event["data"]  # a ping, or a bypass, is about no ticket
    if data.get("pipeline") is None or data.get("allowed") is not True:
        return
    try:
        state = step.resume(event["subject"])
    except AlreadyConsumed:
        return  # another worker, or a poll, was quicker
    print("resumed", json.dumps(state), flush=True)


def once(message, event):
    """Go on unless this message was here before. It is noted only where that worked."""
    with closing(sqlite3.connect(os.environ["SEEN"])) as seen, seen:  # one transaction
        seen.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")
        if seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", [message]).rowcount:
            go_on(event)


@app.post("/hook")
def hear():
    try:
        event = verify_webhook(request.headers, request.get_data(), os.environ["WEBHOOK_SECRET"])
    except WebhookInvalid:
        abort(400)
    once(request.headers["webhook-id"], event)
    return "", 204
