"""The settings: roles, keys, policies, checkpoints; and the audit, which nobody changes."""

import json

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from approvals.models import AccessKey, ApprovalPolicy, User
from approvals.presets import PRESETS
from approvals.services.keys import find_key
from audit.models import AuditEvent
from reviews.models import WebhookEndpoint
from tests.builders import PASSWORD, make_checkpoint

pytestmark = pytest.mark.db


@pytest.fixture
def root(cast) -> Client:
    person = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(model: str, name: str = "changelist", *args: object) -> str:
    return reverse(f"admin:{model}_{name}", args=args)


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


def test_the_audit_is_filtered_without_counting(root, cast, django_assert_max_num_queries):
    cast.open()
    with django_assert_max_num_queries(6):
        answer = root.get(
            page("audit_auditevent") + "?about=ticket&type=ticket.opened&actor=machine"
        )
    assert b"ticket.opened" in answer.content
    assert root.get(page("audit_auditevent") + "?about=key&channel=api").status_code == 200


def test_people_join_a_role_and_the_audit_tells(root, cast):
    role = cast.roles["reviewer"]
    shown = root.get(page("auth_group", "change", role.pk)).content.decode()
    assert "General v1 · Review" in shown
    people = [cast.ann.pk, cast.otto.pk]
    answer = root.post(
        page("auth_group", "change", role.pk), {"name": "reviewer", "people": people}
    )
    assert answer.status_code == 302
    assert set(role.user_set.values_list("pk", flat=True)) == set(people)
    event = AuditEvent.objects.get(type="role.changed")
    assert event.data == {
        "role": "reviewer",
        "joined": [cast.otto.pk],
        "left": sorted([cast.ben.pk, cast.cleo.pk]),
    }


def test_a_machine_is_not_offered_for_a_role(root, cast):
    role = cast.roles["lead"]
    answer = root.post(
        page("auth_group", "change", role.pk), {"name": "lead", "people": [cast.machine.pk]}
    )
    assert answer.status_code == 200
    assert not role.user_set.filter(pk=cast.machine.pk).exists()


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


def test_a_key_is_revoked_from_the_list(root, cast):
    root.post(
        page("approvals_accesskey"), {"action": "revoke", "_selected_action": [str(cast.key.pk)]}
    )
    cast.key.refresh_from_db()
    assert cast.key.revoked_at is not None
    assert AuditEvent.objects.filter(type="key.revoked").exists()


def test_a_policy_is_published_as_its_next_version(root, cast):
    begin = root.get(page("approvals_approvalpolicy", "add") + "?from=general")
    assert "request_changes" in begin.content.decode()
    sent = {"slug": "general", "name": "General", "question": json.dumps(PRESETS["approval"])}
    assert root.post(page("approvals_approvalpolicy", "add"), sent).status_code == 303
    latest = ApprovalPolicy.objects.get(slug="general", version=2)
    shown = root.get(page("approvals_approvalpolicy", "change", latest.pk)).content.decode()
    assert 'name="_save"' not in shown
    assert "1 of reviewer" in shown


@pytest.mark.parametrize(
    "question", ["{", "7", "{}", '{"stages": [{"needs": [{"role": "nobody"}]}]}']
)
def test_a_question_that_is_not_well_formed_is_told(root, cast, question):
    sent = {"slug": "general", "name": "General", "question": question}
    answer = root.post(page("approvals_approvalpolicy", "add"), sent)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert ApprovalPolicy.objects.count() == 1


def test_a_rule_is_checked_against_the_schema_typed_beside_it(root, cast):
    checkpoint = make_checkpoint("purchase", question=ApprovalPolicy.objects.get())
    schema = {
        "type": "object",
        "properties": {"total": {"type": "number"}},
        "required": ["total"],
    }

    def save(when: str):
        return root.post(
            page("reviews_checkpoint", "change", checkpoint.pk),
            {
                "title": "Purchase",
                "active": "on",
                "otherwise": "allow",
                "question": checkpoint.question_id,
                "risk": "low",
                "proposal_schema": json.dumps(schema),
                "view": "{}",
                "effect_sentence": "",
                "reference": "",
                "rules-TOTAL_FORMS": "1",
                "rules-INITIAL_FORMS": "0",
                "rules-0-position": "1",
                "rules-0-name": "Dear",
                "rules-0-when": when,
                "rules-0-then": "ask",
                "rules-0-state": "live",
                "rules-0-audit_sample": "0",
            },
        )

    wrong = save("totl > 100")
    assert wrong.status_code == 200
    assert "totl" in wrong.content.decode()
    assert checkpoint.rules.count() == 0
    assert save("total > 100").status_code == 302
    assert checkpoint.rules.get().when == "total > 100"


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
    given_role = cast.roles["admin"]
    given_role.permissions.add(Permission.objects.get(codename="change_user"))
    client = signed_in(cast.max)
    sent = {"name": "admin", "people": [cast.max.pk]}
    assert client.post(page("auth_group", "change", given_role.pk), sent).status_code == 403
    lead = cast.roles["lead"]
    every = [right.pk for right in Permission.objects.all()[:40]]
    sent = {"name": "lead", "people": [cast.max.pk], "permissions": every}
    assert client.post(page("auth_group", "change", lead.pk), sent).status_code == 302
    assert lead.permissions.count() == 0
    assert not cast.max.groups.filter(name="admin").exists()


def test_a_superusers_password_stays_theirs(root, cast):
    given(cast.max, "approvals.view_user", "approvals.change_user")
    boss = User.objects.get(username="root")
    address = reverse("admin:auth_user_password_change", args=[boss.pk])
    assert signed_in(cast.max).get(address).status_code == 403
