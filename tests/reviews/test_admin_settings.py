"""The settings: roles, keys, policies, checkpoints; and the audit, which nobody changes."""

import csv
import io
import json
import re
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.core import mail
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from approvals.errors import NotEligible
from approvals.models import AccessKey, ApprovalPolicy, User
from approvals.presets import PRESETS
from approvals.services.keys import find_key, is_good
from approvals.services.policies import rendered
from audit.clock import db_now
from audit.models import AuditEvent
from reviews.channels import prepare
from reviews.models import Delivery, Region, Rule, WebhookEndpoint
from reviews.zones import ReaderZone
from tests.builders import PASSWORD, bearer, make_checkpoint, make_policy

pytestmark = pytest.mark.db


@pytest.fixture
def root(cast) -> Client:
    person = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(model: str, name: str = "changelist", *args: object) -> str:
    return reverse(f"admin:{model}_{name}", args=args)


class _Form(HTMLParser):
    """Collect what a form on a page would send as it stands."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.inside, self.sent = name, False, {}
        self.select = self.area = ""
        self.first = None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self.inside = given.get("id") == self.name
        if not self.inside:
            return
        name, kind = given.get("name") or "", given.get("type")
        if tag == "input" and name and (kind not in ("checkbox", "radio") or "checked" in given):
            many = self.sent.setdefault(name, [])
            many.append(given.get("value") or "")
        elif tag == "textarea":
            self.area = name
            self.sent[name] = [""]
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select:
            chosen = "selected" in given
            if chosen or self.select not in self.sent:
                self.sent[self.select] = [given.get("value")]
            self.first = self.select if given.get("value") is None else None

    def handle_data(self, data):
        if self.area:
            self.sent[self.area] = [data]
        elif self.first and self.sent.get(self.first) == [None]:
            self.sent[self.first] = [data]

    def handle_endtag(self, tag):
        if tag == "textarea":
            self.area = ""
        elif tag == "select":
            self.select = ""
        elif tag == "form":
            self.inside = False


def form_fields(html: str, name: str) -> dict:
    form = _Form(name)
    form.feed(html)
    sent = {field: many if len(many) > 1 else many[0] for field, many in form.sent.items()}
    sent.pop("csrfmiddlewaretoken", None)
    return sent


LISTS = (
    *("audit_auditevent", "audit_chainhead", "audit_seal", "auth_group", "approvals_user"),
    *("approvals_approvalpolicy", "approvals_accesskey", "reviews_checkpoint", "reviews_queue"),
    *("reviews_queuechoice", "reviews_region", "reviews_webhookendpoint", "reviews_delivery"),
)


@pytest.mark.parametrize("model", LISTS)
def test_every_list_opens_and_searches(root, cast, model):
    cast.open()
    assert root.get(page(model)).status_code == 200
    assert root.get(page(model) + "?q=a").status_code == 200
    text = root.get(page(model)).content.decode()
    assert "guardian" not in text.lower()


async def written_at_noon(path: str, user) -> str:
    """Return what an asynchronous page would write for noon in UTC."""

    async def page_of(_request):
        return HttpResponse(f"{timezone.localtime(datetime(2026, 11, 21, 12, tzinfo=UTC)):%H:%M}")

    request = RequestFactory().get(path)
    request.user = user
    return (await ReaderZone(page_of)(request)).content.decode()


def test_the_readers_zone_holds_on_the_event_loop_and_only_on_the_desk(cast):
    cast.ann.time_zone = "Asia/Tokyo"
    assert async_to_sync(written_at_noon)("/admin/", cast.ann) == "21:00"
    assert async_to_sync(written_at_noon)("/api/v1/me", cast.ann) == "12:00"
    assert async_to_sync(written_at_noon)("/admin/", AnonymousUser()) == "12:00"


def test_a_person_signs_in_and_lands_in_the_queue(cast):
    answer = Client().post(
        "/admin/login/?next=/admin/", {"username": "ann", "password": PASSWORD}, follow=True
    )
    assert answer.redirect_chain[-1][0] == "/admin/reviews/ticket/"


def test_a_machine_cannot_sign_in(cast):
    machine = cast.machine
    machine.set_password(PASSWORD)
    machine.save()
    Client().post("/admin/login/", {"username": machine.username, "password": PASSWORD})
    client = Client()
    client.force_login(machine, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/reviews/ticket/").status_code == 302


@pytest.mark.parametrize("model", ["audit_auditevent", "audit_chainhead"])
def test_nobody_changes_the_audit_a_superuser_neither(root, cast, model):
    cast.open()
    pk = AuditEvent.objects.first().pk if model == "audit_auditevent" else "ticket:x"
    assert root.get(page(model, "add")).status_code == 403
    assert root.post(page(model, "delete", pk), {"post": "yes"}).status_code in (302, 403)
    assert root.post(page(model, "change", pk), {"type": "x"}).status_code in (302, 403)
    if model == "audit_auditevent":
        shown = root.get(page(model, "change", pk)).content.decode()
        assert 'name="_save"' not in shown
    assert not AuditEvent.objects.filter(type="x").exists()


def test_the_audit_is_narrowed_without_counting(root, cast, django_assert_max_num_queries):
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "approve")
    with django_assert_max_num_queries(13):
        answer = root.get(page("audit_auditevent") + "?action=ticket.opened&who=buyer")
    assert [row["what"] for row in answer.context["rows"]] == ["opened the ticket"]
    for asked, count in (
        (f"ticket={ticket.label}", 3), ("who=Ann", 2), ("bypass=1", 0), ("channel=mail", 0),
        ("ticket=T-99999", 0), ("since=2020-01-01&until=2020-02-01", 0), ("since=yesterday", 0),
        ("before=nonsense&period=", None), ("period=7&action=%00", None),
    ):  # fmt: skip
        answer = root.get(page("audit_auditevent") + f"?{asked}")
        assert answer.status_code == 200
        if count is not None:
            assert len(answer.context["rows"]) == count, asked


def test_the_audit_is_walked_to_its_end_page_by_page(root, cast):
    for number in range(55):
        cast.open(title=f"Pay {number}")
    seen, address = [], page("audit_auditevent") + "?period="
    while address:
        answer = root.get(address)
        seen += [row["event"].pk for row in answer.context["rows"]]
        onward = answer.context["onward"]
        address = page("audit_auditevent") + onward if onward else ""
    every = list(AuditEvent.objects.order_by("-id").values_list("pk", flat=True))
    assert seen == every
    assert len(seen) > 50


def test_the_trail_is_verified_from_its_page_and_no_row_changes(root, cast):
    cast.open()
    before = rows_of_all()
    answer = root.post(reverse("admin:audit_auditevent_verify"), follow=True)
    assert "The trail holds" in answer.content.decode()
    assert answer.context["standing"].checked_at is not None
    assert rows_of_all() == before
    assert root.get(reverse("admin:audit_auditevent_verify")).status_code == 405


def test_an_export_holds_no_formula_and_is_an_event_itself(root, cast):
    ticket = cast.open(title="=HYPERLINK(1)")
    cast.vote(ticket, cast.ann, "reject", reason="=1+1")
    address = reverse("admin:audit_auditevent_export")
    answer = root.post(address, {"form": "csv", "ticket": ticket.label, "period": ""})
    rows = list(csv.reader(io.StringIO(b"".join(answer).decode())))
    assert rows[0][0] == "at"
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert any(cell == "'=1+1" for row in rows for cell in row)
    lines = b"".join(root.post(address, {"form": "jsonl", "period": ""})).decode().splitlines()
    assert len(lines) > len(rows)
    assert json.loads(lines[0])["type"]
    assert AuditEvent.objects.filter(type="audit.exported").count() == 2
    assert root.get(address).status_code == 405
    assert signed_in(cast.ann).post(address, {"form": "csv"}).status_code == 403


def test_times_stand_in_the_readers_zone_with_utc_beside(root, cast):
    boss = User.objects.get(username="root")
    boss.time_zone = "Asia/Tokyo"
    boss.save()
    cast.open()
    row = root.get(page("audit_auditevent"))
    event = row.context["rows"][0]["event"]
    there = event.at.astimezone(ZoneInfo("Asia/Tokyo"))
    assert f"{there:%Y-%m-%d %H:%M}" in row.content.decode()
    assert f"{event.at:%Y-%m-%d %H:%M:%S} UTC" in row.content.decode()


def act(client, role, **sent):
    return client.post(page("auth_group", "change", role.pk), sent)


def test_what_a_role_may_do_is_changed_and_the_audit_tells(root, cast):
    role = cast.roles["auditor"]
    held = role.permissions.first()
    wanted = Permission.objects.get(codename="view_queue")
    assert act(root, role, act="rights", rights=[wanted.pk]).status_code == 303
    assert list(role.permissions.all()) == [wanted]
    event = AuditEvent.objects.get(type="role.changed")
    assert event.data["given"] == ["view_queue"]
    assert held.codename in event.data["taken"]
    told = root.get(page("audit_auditevent") + f"?stream=role:{role.pk}").content.decode()
    assert "gave it view queue" in told


def test_people_join_a_role_and_leave_it_and_the_audit_tells(root, cast):
    role = cast.roles["reviewer"]
    shown = root.get(page("auth_group", "change", role.pk)).content.decode()
    assert "Review (1 of reviewer)" in shown
    assert act(root, role, act="add", person=cast.otto.pk).status_code == 303
    assert act(root, role, act="remove", person=cast.ben.pk).status_code == 303
    assert set(role.user_set.values_list("username", flat=True)) == {"ann", "cleo", "otto"}
    joined, left = AuditEvent.objects.filter(type="role.changed").order_by("seq")
    assert joined.data == {"role": "reviewer", "joined": [cast.otto.pk], "left": []}
    assert left.data == {"role": "reviewer", "joined": [], "left": [cast.ben.pk]}
    told = root.get(page("audit_auditevent") + f"?stream=role:{role.pk}").content.decode()
    assert "added Otto" in told
    assert "removed Ben" in told


def test_a_machine_is_not_offered_for_a_role(root, cast):
    role = cast.roles["lead"]
    assert (
        cast.machine.username
        not in root.get(page("auth_group", "change", role.pk)).content.decode()
    )
    act(root, role, act="add", person=cast.machine.pk)
    assert not role.user_set.filter(pk=cast.machine.pk).exists()


def test_a_role_page_warns_of_nobody_of_one_and_of_keys(root, cast):
    role = cast.roles["lead"]

    def warnings() -> str:
        return " ".join(root.get(page("auth_group", "change", role.pk)).context["warnings"])

    assert "Only Lena is in this role" in warnings()
    act(root, role, act="remove", person=cast.lena.pk)
    assert "Nobody is in this role" in warnings()
    act(root, role, act="add", person=cast.max.pk)  # who answers for the service key
    assert "own access keys" in warnings()


def test_hours_on_call_are_stored_and_spoken(root, cast):
    role = cast.roles["lead"]
    sent = {
        "act": "profile",
        "kind": "members",
        "description": "Second look",
        "time_zone": "Europe/Berlin",
        "h0-days": ["0", "1", "2", "3", "4"],
        "h0-from": "08:00",
        "h0-to": "18:00",
    }
    assert act(root, role, **sent).status_code == 303
    assert "Mon–Fri 08:00 to 18:00 (Europe/Berlin)" in root.get(page("auth_group")).content.decode()
    wrong = act(root, role, **{**sent, "h0-to": "late"})
    assert "Write a time like 22:00." in wrong.content.decode()
    assert 'value="late"' in wrong.content.decode()
    assert "is not a time zone" in act(root, role, **{**sent, "time_zone": "Mars"}).content.decode()


def test_taking_a_vote_away_says_what_it_does_and_open_questions_feel_it(root, cast):
    ticket = cast.open()
    address = reverse("admin:auth_group_take", args=[cast.roles["reviewer"].pk, "general"])
    said = root.get(address).content.decode()
    assert "1 open question asks this role now" in said
    assert root.post(address).status_code == 303
    with pytest.raises(NotEligible):
        cast.vote(ticket, cast.ann, "approve")
    assert AuditEvent.objects.get(type="role.changed").data["no_longer_votes_on"] == "general"


def test_a_new_role_needs_a_name_of_its_own(root, cast):
    assert root.post(page("auth_group", "add"), {"name": "Legal"}).status_code == 303
    again = root.post(page("auth_group", "add"), {"name": "legal"})
    assert "There is a role of this name." in again.content.decode()
    assert Group.objects.filter(name__iexact="legal").count() == 1


@pytest.mark.parametrize("model", ["auth_group", "approvals_approvalpolicy", "reviews_checkpoint"])
def test_the_frameworks_words_appear_nowhere(root, cast, model):
    pk = {
        "auth_group": cast.roles["lead"].pk,
        "approvals_approvalpolicy": cast.general.question_id,
        "reviews_checkpoint": cast.general.pk,
    }[model]
    for address in (page(model), page(model, "change", pk), page(model, "add")):
        text = root.get(address).content.decode()
        text = text[text.index("<main") : text.index("</main>")]
        seen = re.sub(r"<(script|style)[^>]*>.*?</\1>|<[^>]+>", " ", text, flags=re.DOTALL).lower()
        assert "guardian" not in text.lower()
        assert not re.search(r"\bgroups?\b", seen), address


def test_a_key_is_shown_once(root, cast):
    sent = {
        "name": "buyer-7",
        "kind": "service",
        "owner": cast.max.pk,
        "scopes": ["tickets:write", "tickets:read"],
        "days": "90",
    }
    answer = root.post(page("approvals_accesskey", "add"), sent)
    assert answer.status_code == 200
    token = next(secret for name, secret in answer.context["secrets"] if name == "Key")
    assert find_key(token).name == "buyer-7"
    assert "curl" in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    key = AccessKey.objects.get(name="buyer-7")
    again = root.get(page("approvals_accesskey", "change", key.pk)).content.decode()
    assert token not in again
    assert key.callback_secret not in again
    assert key.hash not in again


def test_a_scope_that_does_not_fit_is_told_beside_its_field(root, cast):
    sent = {
        "name": "x",
        "kind": "service",
        "owner": cast.max.pk,
        "scopes": ["votes:write"],
        "days": 9,
    }
    answer = root.post(page("approvals_accesskey", "add"), sent)
    assert "cannot carry" in answer.content.decode()
    assert not AccessKey.objects.filter(name="x").exists()


def test_a_key_used_lately_is_revoked_by_its_name_alone(root, cast):
    address = page("approvals_accesskey", "change", cast.key.pk)
    AccessKey.objects.filter(pk=cast.key.pk).update(
        last_used_at=db_now(), last_used_from="192.0.2.7"
    )
    shown = root.get(address).content.decode()
    assert "192.0.2.7" in shown
    assert "Type its name" in root.post(address, {"act": "revoke"}).content.decode()
    cast.key.refresh_from_db()
    assert cast.key.revoked_at is None
    assert root.post(address, {"act": "revoke", "name": cast.key.name}).status_code == 303
    cast.key.refresh_from_db()
    assert cast.key.revoked_at is not None
    assert AuditEvent.objects.filter(type="key.revoked").exists()
    assert cast.key.name not in root.get(page("approvals_accesskey")).content.decode()
    assert cast.key.name in root.get(page("approvals_accesskey") + "?all=1").content.decode()


def test_a_renewed_key_is_shown_once_and_the_one_before_works_for_a_day(root, cast):
    answer = root.post(page("approvals_accesskey", "change", cast.key.pk), {"act": "renew"})
    fresh = answer.context["secrets"][0][1]
    assert fresh != cast.token
    now = db_now()
    for token, later, good in (
        (fresh, timedelta(days=2), True),
        (cast.token, timedelta(hours=23), True),
        (cast.token, timedelta(hours=25), False),
    ):
        key = find_key(token)
        assert is_good(key, now=now + later) is good
    assert cast.as_key().get("/api/v1/tickets").status_code == 200
    assert bearer(fresh).get("/api/v1/tickets").status_code == 200


def test_a_key_kept_to_addresses_works_from_nowhere_else(root, cast):
    sent = {
        "name": "office", "kind": "service", "owner": cast.max.pk, "scopes": ["tickets:read"],
        "days": "90", "networks": "192.0.2.0/24",
    }  # fmt: skip
    answer = root.post(page("approvals_accesskey", "add"), sent)
    client = bearer(answer.context["secrets"][0][1])
    assert client.get("/api/v1/tickets").status_code == 401
    assert client.get("/api/v1/tickets", REMOTE_ADDR="192.0.2.9").status_code == 200
    wrong = root.post(page("approvals_accesskey", "add"), {**sent, "networks": "the office"})
    assert "Write addresses like" in wrong.content.decode()


def edit_of(question, **more):
    """Return what the page that shows the differences sends."""
    return {
        "question": json.dumps(question),
        "name": "General",
        "doors": ["desk", "mail", "api", "cli", "chat"],
        "confirm_identity": "high_risk",
        "replacing": ["manager"],
        "after": "1",
        "go": "publish",
        **more,
    }


def stricter() -> dict:
    question = deepcopy(PRESETS["review"])
    question["stages"][0]["needs"][0]["count"] = 2
    return question


def weaker() -> dict:
    question = deepcopy(PRESETS["review"])
    question["stages"][0]["rejections"] = 2
    return question


ADD = "/admin/approvals/approvalpolicy/add/?from=general"


def test_a_policy_is_changed_looked_at_and_published_as_its_next_version(root, cast):
    begin = root.get(ADD)
    assert "Request changes" in begin.content.decode()
    typed = fields_sent(begin) | {"s0-n0-count": "2", "go": "look"}
    look = root.post(ADD, typed)
    changed = [(d.field, d.before, d.after) for d in look.context["preview"].differences]
    assert changed == [("Step 1: who must agree", "1 of reviewer", "2 of reviewer")]
    assert look.context["preview"].weakens == []
    assert ApprovalPolicy.objects.count() == 1
    moving = [asker["key"] for asker in look.context["askers"]]
    sent = edit_of(stricter(), note="Two from now on", moving=moving)
    assert root.post(ADD, sent).status_code == 303
    latest = ApprovalPolicy.objects.get(slug="general", version=2)
    assert (latest.note, latest.weakens) == ("Two from now on", False)
    cast.general.refresh_from_db()
    assert cast.general.question == latest
    shown = root.get(page("approvals_approvalpolicy", "change", latest.pk)).content.decode()
    assert 'name="_save"' not in shown
    assert "2 of reviewer" in shown
    event = AuditEvent.objects.get(type="checkpoint.changed")
    assert event.data["changes"] == [
        {"field": "Who decides", "before": "General v1", "after": "General v2"}
    ]


def fields_sent(answer) -> dict:
    """Return what the form on a page would send as it stands."""
    return form_fields(answer.content.decode(), "edit")


def test_a_weaker_version_needs_the_password_is_marked_and_told(root, cast, settings):
    settings.MAIL_NOTICES = True
    given(cast.max, "approvals.add_approvalpolicy")
    look = root.post(ADD, edit_of(weaker(), go="look"))
    assert look.context["preview"].weakens == [
        "It takes 2 rejections instead of 1 to stop it in “Review”."
    ]
    assert look.context["others"] == ["Max"]
    assert "and <bdi>Max</bdi> will be told" in look.content.decode()
    assert "Give your password." in root.post(ADD, edit_of(weaker())).content.decode()
    wrong = root.post(ADD, edit_of(weaker(), password="guess"))
    assert "This is not your password." in wrong.content.decode()
    assert ApprovalPolicy.objects.count() == 1
    done = root.post(ADD, edit_of(weaker(), password=PASSWORD))
    assert done.status_code == 303
    latest = ApprovalPolicy.objects.get(version=2)
    assert latest.weakens
    told = Delivery.objects.get(channel="weakened")
    assert told.target == str(cast.max.pk)
    assert prepare(told, db_now())(None).fate == "sent"
    message = mail.outbox[-1]
    assert message.to == ["max@example.org"]
    assert "2 rejections instead of 1" in message.body
    assert str(latest.pk) in message.body
    event = AuditEvent.objects.get(type="policy.published", data__version=2)
    assert event.data["weakens"]
    assert {"field": "Step 1: rejections that end it", "before": "1", "after": "2"} in event.data[
        "changes"
    ]
    assert (
        "asks less than before"
        in root.get(page("audit_auditevent") + "?weakening=1").content.decode()
    )
    assert "weakened" in root.get(page("approvals_approvalpolicy")).content.decode()


def test_the_only_manager_is_told_so(root, cast):
    look = root.post(ADD, edit_of(weaker(), go="look")).content.decode()
    assert "You are the only manager" in look


def test_what_somebody_else_published_meanwhile_is_not_overwritten(root, cast):
    root.post(ADD, edit_of(stricter()))
    late = root.post(ADD, edit_of(weaker()))
    assert "meanwhile" in late.content.decode()
    assert ApprovalPolicy.objects.filter(slug="general").count() == 2


def test_an_old_version_is_published_again_with_the_password_where_it_is_weaker(root, cast):
    root.post(ADD, edit_of(stricter()))
    old = ApprovalPolicy.objects.get(version=1)
    again = reverse("admin:approvals_approvalpolicy_again", args=[old.pk])
    look = root.post(again, {"after": "2"})
    assert "1 of reviewer instead of 2 of reviewer" in look.content.decode()
    assert root.post(again, {"after": "2", "sure": "1"}).status_code == 200
    sent = {"after": "2", "sure": "1", "password": PASSWORD, "note": "Two was too slow"}
    assert root.post(again, sent).status_code == 303
    newest = ApprovalPolicy.objects.get(version=3)
    assert rendered(newest) == rendered(old)
    assert newest.weakens
    assert newest.note == "Two was too slow"


@pytest.mark.parametrize(
    ("typed", "name", "said"),
    [
        ({"s0-n0-count": "lots"}, "s0-n0-count", "Write a whole number."),
        ({"expires": "soon"}, "expires", "Write a length of time like"),
        ({"s0-l0-above": "a lot", "s0-l0-role": "lead"}, "s0-l0-above", "Write an amount"),
        ({"o0-form": "own", "o0-own": "{"}, "o0-own", "Write a JSON object."),
        ({"name": ""}, "name", "Give it a name."),
        ({"silence": "approve"}, "silence", "Silence would mean approve"),
        ({"o1-key": "approve"}, "o1-key", "Another option has this key."),
        ({"steps": "50, 10"}, "steps", ""),
    ],
)
def test_what_cannot_be_read_is_told_beside_its_input(root, cast, typed, name, said):
    sent = fields_sent(root.get(ADD)) | {"go": "look"} | typed
    answer = root.post(ADD, sent)
    edit = answer.context["edit"]
    assert said in edit.problems[name]
    assert f'id="{name}-error"' in answer.content.decode()
    assert ApprovalPolicy.objects.count() == 1


def test_rows_come_and_go_without_script_and_nothing_typed_is_lost(root, cast):
    sent = fields_sent(root.get(ADD)) | {"note": "kept", "name": "Half done"}
    sent.pop("go", None)
    more = root.post(ADD, sent | {"more": "s"})
    sent = fields_sent(more)
    assert sent["name"] == "Half done"
    assert "s1-n0-role" in sent
    fewer = fields_sent(root.post(ADD, sent | {"less": "s0"}))
    assert "s1-name" not in fewer


def test_a_question_that_is_not_well_formed_never_fails(root, cast):
    for text in ("{", "7", "[]", '{"stages": [{"needs": [{"role": "nobody"}]}]}', "[" * 9999):
        answer = root.post(ADD, edit_of({}) | {"question": text})
        assert answer.status_code in (200, 303)


def test_trying_a_policy_says_who_is_asked_and_stores_nothing(root, cast):
    question = stricter()
    question["stages"][0]["ladder"] = [{"above": 500, "role": "lead"}]
    policy = make_policy("dear", question)
    before = rows_of_all()
    answer = root.get(
        page("approvals_approvalpolicy", "change", policy.pk) + "?amount=900&priority=high"
    )
    walk = answer.context["walk"]
    (step,) = walk.steps
    assert [(asked.words, asked.count) for asked in step.asked] == [
        ("2 of reviewer", 3), ("1 of lead", 1)
    ]  # fmt: skip
    assert [rung.reached for rung in step.ladder] == [True]
    assert walk.deadlines.due_at - db_now() < timedelta(hours=4, minutes=1)
    assert "Reject" in walk.silence
    assert rows_of_all() == before
    wrong = root.get(page("approvals_approvalpolicy", "change", policy.pk) + "?amount=NaN")
    assert "Write an amount" in wrong.content.decode()


def rows_of_all() -> dict[str, int]:
    return {
        model.__name__: model.objects.count()
        for room in ("audit", "approvals", "reviews")
        for model in apps.get_app_config(room).get_models()
    }


SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
}


def checkpoint_sent(checkpoint, *rules, **more):
    """Return what a checkpoint's page sends; a rule is (id or "", name, when, then, state)."""
    sent = {
        "title": checkpoint.title, "active": "on", "otherwise": "allow",
        "question": checkpoint.question_id, "risk": "low",
        "proposal_schema": json.dumps(SCHEMA), "view": "", "effect_sentence": "", "reference": "",
        "rules-TOTAL_FORMS": str(len(rules)),
        "rules-INITIAL_FORMS": str(sum(bool(rule[0]) for rule in rules)),
        "go": "save",
    }  # fmt: skip
    for place, (pk, name, when, then, state) in enumerate(rules):
        row = {
            "id": pk,
            "name": name,
            "when": when,
            "then": then,
            "state": state,
            "ORDER": place + 1,
        }
        sent |= {f"rules-{place}-{column}": value for column, value in row.items()}
    return sent | more


@pytest.fixture
def purchase(cast):
    checkpoint = make_checkpoint(
        "purchase", question=cast.general.question, otherwise="allow", proposal_schema=SCHEMA
    )
    Rule.objects.create(checkpoint=checkpoint, position=1, name="Dear", when="total > 100")
    return checkpoint


def test_a_rule_is_checked_against_the_schema_typed_beside_it(root, cast):
    checkpoint = make_checkpoint("purchase", question=cast.general.question, otherwise="allow")
    address = page("reviews_checkpoint", "change", checkpoint.pk)
    rule = ("", "Dear", "totl > 100", "ask", "live")
    wrong = root.post(address, checkpoint_sent(checkpoint, rule))
    assert wrong.status_code == 200
    assert "totl" in str(wrong.context["rules"].errors)
    assert checkpoint.rules.count() == 0
    right = ("", "Dear", "total > 100", "ask", "live")
    assert root.post(address, checkpoint_sent(checkpoint, right)).status_code == 303
    assert checkpoint.rules.get().when == "total > 100"
    (event,) = AuditEvent.objects.filter(stream="checkpoint:purchase")
    assert "Rule “Dear”" in [change["field"] for change in event.data["changes"]]
    assert event.actor_label == "root"


def test_a_condition_is_checked_while_it_is_typed(root, cast):
    address = reverse("admin:reviews_checkpoint_check")
    schema = json.dumps(SCHEMA)
    wrong = root.post(address, {"rules-0-when": "totl > 1", "proposal_schema": schema})
    assert "totl" in wrong.content.decode()
    right = root.post(address, {"rules-0-when": "total > 1", "proposal_schema": schema})
    assert "It can be read." in right.content.decode()
    assert root.post(address, {"rules-0-when": "a", "proposal_schema": "{"}).status_code == 200
    assert signed_in(cast.ann).post(address, {"rules-0-when": "a"}).status_code == 403


def test_loosening_a_rule_needs_the_password_and_is_marked(root, purchase):
    rule = purchase.rules.get()
    address = page("reviews_checkpoint", "change", purchase.pk)
    sent = checkpoint_sent(purchase, (rule.pk, "Dear", "total > 900", "ask", "off"))
    asked = root.post(address, sent)
    assert asked.context["weakens"] == ["Rule “Dear” is no longer in force."]
    assert "total &gt; 900" in asked.content.decode()
    assert root.post(address, sent | {"password": "guess"}).status_code == 200
    rule.refresh_from_db()
    assert rule.state == "live"
    assert root.post(address, sent | {"password": PASSWORD}).status_code == 303
    rule.refresh_from_db()
    assert (rule.state, rule.when) == ("off", "total > 900")
    event = AuditEvent.objects.get(type="checkpoint.changed")
    assert event.data["weakens"] == ["Rule “Dear” is no longer in force."]


def test_tightening_a_checkpoint_needs_no_password_and_moves_rules(root, purchase):
    rule = purchase.rules.get()
    address = page("reviews_checkpoint", "change", purchase.pk)
    rows = (
        (rule.pk, "Dear", "total > 100", "deny", "live"),
        ("", "Small", "total > 5", "ask", "live"),
    )
    sent = checkpoint_sent(purchase, *rows, critical="on") | {"rules-1-ORDER": "0"}
    assert root.post(address, sent).status_code == 303
    found = list(purchase.rules.values_list("position", "name", "then"))
    assert found == [(1, "Dear", "deny"), (2, "Small", "ask")] or found == [
        (1, "Small", "ask"), (2, "Dear", "deny")
    ]  # fmt: skip


def test_a_rule_is_deleted_with_the_password(root, purchase):
    rule = purchase.rules.get()
    address = page("reviews_checkpoint", "change", purchase.pk)
    sent = checkpoint_sent(purchase, (rule.pk, "Dear", "total > 100", "ask", "live"))
    sent |= {"rules-0-DELETE": "on", "password": PASSWORD}
    assert root.post(address, sent).status_code == 303
    assert not purchase.rules.exists()


def test_a_sample_shows_the_rules_the_people_and_the_times_and_stores_nothing(root, purchase):
    address = reverse("admin:reviews_checkpoint_try", args=[purchase.pk])
    assert '"total": 900' in root.get(address).context["sent"]["proposal"]
    before = rows_of_all()
    asked = root.post(address, {"proposal": '{"total": 900}', "priority": "high"}).context["trial"]
    assert (asked.then, [(r.result, r.fires) for r in asked.rules]) == ("ask", [("holds", True)])
    assert asked.walk.steps[0].asked[0].count == 3
    passed = root.post(address, {"proposal": '{"total": 9}'}).context["trial"]
    assert (passed.then, [r.fires for r in passed.rules]) == ("allow", [False])
    refused = root.post(address, {"proposal": '{"total": "much"}'}).context["trial"]
    assert refused.errors[0]["pointer"] == "/proposal/total"
    assert rows_of_all() == before


@pytest.mark.parametrize("typed", ["{", "[]", "7", '{"total": 1e999}', "\x00", "[" * 9999])
def test_a_sample_that_cannot_be_read_is_told(root, purchase, typed):
    address = reverse("admin:reviews_checkpoint_try", args=[purchase.pk])
    answer = root.post(address, {"proposal": typed, "amount": "x", "confidence": "NaN"})
    assert answer.status_code == 200
    assert answer.context["errors"]["amount"]


def test_history_pages_change_nothing(root, cast):
    assert root.get(page("reviews_checkpoint", "history", cast.general.pk)).status_code == 200
    record = cast.general.history.first()
    address = reverse(
        "admin:reviews_checkpoint_simple_history", args=[cast.general.pk, record.history_id]
    )
    assert root.get(address).status_code == 200
    root.post(address, {"title": "Changed"})
    cast.general.refresh_from_db()
    assert cast.general.title == "General review"


def test_a_webhooks_secret_is_shown_once(root, cast):
    sent = {"name": "ops", "url": "https://hooks.example.org/x", "types": ["ticket.decided"]}
    answer = root.post(page("reviews_webhookendpoint", "add"), sent)
    if not WebhookEndpoint.objects.exists():
        pytest.fail(answer.content.decode()[-3000:])
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.secret in answer.content.decode()
    again = root.get(page("reviews_webhookendpoint", "change", endpoint.pk)).content.decode()
    assert endpoint.secret not in again


def test_a_reviewer_sees_no_settings_that_are_not_theirs(cast):
    client = Client()
    client.force_login(cast.ann, backend="django.contrib.auth.backends.ModelBackend")
    for model in ("audit_auditevent", "approvals_accesskey", "auth_group", "approvals_user"):
        assert client.get(page(model)).status_code == 403


def test_a_machine_has_no_password_form(root, cast):
    address = reverse("admin:auth_user_password_change", args=[cast.machine.pk])
    assert root.get(address).status_code == 403
    assert root.get(page("approvals_user", "change", cast.machine.pk)).status_code == 200
    assert Group.objects.count() == 5


def signed_in(person) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def given(person, *names: str) -> None:
    for name in names:
        app, codename = name.split(".")
        right = Permission.objects.get(content_type__app_label=app, codename=codename)
        person.user_permissions.add(right)


def test_nobody_makes_a_token_to_vote_in_anothers_name(root, cast):
    sent = {"name": "x", "kind": "personal", "owner": cast.ann.pk, "scopes": ["votes:write"],
            "days": 9}  # fmt: skip
    answer = root.post(page("approvals_accesskey", "add"), sent)
    assert "made by the person it belongs to" in answer.content.decode()
    assert not AccessKey.objects.filter(name="x").exists()


def test_a_manager_joins_no_role_that_may_more(cast):
    given(cast.max, "auth.view_group", "auth.change_group")
    strong = cast.roles["admin"]
    strong.permissions.add(Permission.objects.get(codename="change_user"))
    client = signed_in(cast.max)
    assert act(client, strong, act="add", person=cast.max.pk).status_code == 403
    lead = cast.roles["lead"]
    every = [right.pk for right in Permission.objects.all()[:40]]
    act(client, lead, act="rights", rights=every)
    assert lead.permissions.count() == 0
    assert not cast.max.groups.filter(name="admin").exists()
    assert (
        "Rights on these pages"
        not in client.get(page("auth_group", "change", lead.pk)).content.decode()
    )


SEEN = {  # page → who may open it, of ann (reviewer), ada (auditor) and max (manager)
    "reviews_checkpoint": {"ada", "max"},
    "approvals_approvalpolicy": {"ada", "max"},
}


@pytest.mark.parametrize("model", SEEN)
def test_who_may_look_looks_and_changes_nothing(cast, model):
    pk = cast.general.pk if model == "reviews_checkpoint" else cast.general.question_id
    for person in (cast.ann, cast.ada, cast.max):
        client = signed_in(person)
        expected = 200 if person.username in SEEN[model] else 403
        assert client.get(page(model)).status_code == expected, person
        shown = client.get(page(model, "change", pk))
        assert shown.status_code == expected
        assert client.get(page(model, "add")).status_code == 403
        assert client.post(page(model, "change", pk), {"title": "x"}).status_code in (200, 403)
        assert b'name="go"' not in shown.content
    assert not AuditEvent.objects.filter(type="checkpoint.changed").exists()


def test_a_superusers_password_stays_theirs(root, cast):
    given(cast.max, "approvals.view_user", "approvals.change_user")
    boss = User.objects.get(username="root")
    address = reverse("admin:auth_user_password_change", args=[boss.pk])
    assert signed_in(cast.max).get(address).status_code == 403


def test_a_region_a_queue_and_a_line_are_made_changed_and_told(root, cast):
    answer = root.post(page("reviews_region", "add"), {"name": "North", "slug": "north"})
    assert answer.status_code == 303
    region = Region.objects.get()
    sent = {"name": "North", "people": [cast.ann.pk]}
    assert root.post(page("reviews_region", "change", region.pk), sent).status_code == 303
    assert list(region.people.all()) == [cast.ann]
    event = AuditEvent.objects.get(type="region.changed")
    assert event.data["changes"] == [{"field": "People", "before": "", "after": "ann"}]
    line = {"position": "1", "checkpoint": "", "region": region.pk, "queue": cast.queue.pk}
    assert root.post(page("reviews_queuechoice", "add"), line).status_code == 303
    assert "waits in" in root.get(page("reviews_queuechoice")).content.decode()
    pk = cast.queue.choices.get().pk
    assert root.post(page("reviews_queuechoice", "delete", pk), {"post": "yes"}).status_code == 302
    assert AuditEvent.objects.filter(type="queuechoice.removed").count() == 1
    heavy = {"name": "General", "roles": [], "region": "", "impact_scale": "100"}
    wrong = root.post(page("reviews_queue", "change", cast.queue.pk), heavy | {"weight_age": "7"})
    assert "less than or equal to 1" in wrong.content.decode()
    said = root.get(page("audit_auditevent") + "?action=region").content.decode()
    assert "made the region North" in said
    assert signed_in(cast.ann).post(page("reviews_region", "add"), sent).status_code == 403
