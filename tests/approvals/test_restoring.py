"""After a backup was brought back nothing opens a door that may have been shut since."""

from io import StringIO

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client

from approvals.models import DecisionLink
from approvals.services.links import issue_link
from audit.clock import db_now
from audit.models import AuditEvent
from tests.builders import PASSWORD

pytestmark = pytest.mark.db


def test_open_links_sessions_and_keys_end_and_the_story_says_so(story):
    ticket = story.open()
    issue_link(decision=ticket.decision, person=story.ann, now=db_now())
    assert Client().login(username="ann", password=PASSWORD)
    call_command("restored", "--user", "max", stdout=StringIO())

    assert not DecisionLink.objects.filter(used_at__isnull=True).exists()
    assert not Session.objects.exists()
    assert story.as_key().get("/api/v1/me").status_code == 401
    event = AuditEvent.objects.get(type="service.restored")
    assert (event.actor_label, event.channel) == ("Max", "command")
    assert event.data == {"links": 1, "sessions": 1, "keys": 1}


def test_keys_may_be_kept_where_none_was_revoked_since(story):
    call_command("restored", "--user", "max", "--keep-keys", stdout=StringIO())

    assert story.as_key().get("/api/v1/me").status_code == 200


def test_only_a_person_who_can_sign_in_does_it(story):
    for name in ("nobody", story.machine.username):
        with pytest.raises(CommandError):
            call_command("restored", "--user", name, stdout=StringIO())
