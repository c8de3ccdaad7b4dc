"""Hear of decisions with Django: believe what is signed, once, and let the pipeline go on.

Run it with HITL_URL, HITL_TOKEN (the service key), WEBHOOK_SECRET (shown beside the key, or when a
webhook is made) and SEEN (a file that remembers messages) in the environment:

    python django_receiver.py runserver --noreload 9000
"""

import json
import os
import sqlite3
from contextlib import closing

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from hitl_client import AlreadyConsumed, HitlClient, HumanStep, WebhookInvalid, verify_webhook

# In a project of yours this stands in its settings; here one file is the whole of it.
settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY=os.urandom(32).hex()
)
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


@csrf_exempt  # the signature tells who sends this, not a cookie
@require_POST
def hear(request):
    try:
        event = verify_webhook(request.headers, request.body, os.environ["WEBHOOK_SECRET"])
    except WebhookInvalid:
        return HttpResponse(status=400)
    once(request.headers["webhook-id"], event)
    return HttpResponse(status=204)


urlpatterns = [path("hook", hear)]

if __name__ == "__main__":
    execute_from_command_line()
