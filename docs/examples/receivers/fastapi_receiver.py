"""Hear of decisions with FastAPI: believe what is signed, once, and let the pipeline go on.

Run it with HITL_URL, HITL_TOKEN (the service key), WEBHOOK_SECRET (shown beside the key, or when a
webhook is made) and SEEN (a file that remembers messages) in the environment:

    uvicorn fastapi_receiver:app --port 9000
"""

import json
import os
import sqlite3
from contextlib import closing

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from hitl_client import AlreadyConsumed, HitlClient, HumanStep, WebhookInvalid, verify_webhook

app = FastAPI()
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
async def hear(request: Request) -> Response:
    body = await request.body()  # as it was sent: parsed and written again, it would not verify
    try:
        event = verify_webhook(request.headers, body, os.environ["WEBHOOK_SECRET"])
    except WebhookInvalid:
        raise HTTPException(400) from None
    await run_in_threadpool(once, request.headers["webhook-id"], event)
    return Response(status_code=204)
