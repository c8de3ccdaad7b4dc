"""The desk's page of the bypass, the banner, and the command on the machine itself."""

import io
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client

from approvals.models import Bypass
from approvals.services.links import issue_link
from audit.clock import db_now
from audit.models import AuditEvent
from reviews.services.bypasses import sweep_bypasses
from tests.builders import PASSWORD, Cast

pytestmark = pytest.mark.db

PAGE = "/admin/approvals/bypass/"
QUEUE = "/admin/reviews/ticket/"
REASON = "Mail is <b>down</b>.\u202e"
ASKED = {"act": "start", "duration": "30m", "reason": REASON, "password": PASSWORD}


@pytest.fixture
def crew(story: Cast) -> Cast:
    for codename in ("start_bypass", "view_bypass"):
        right = Permission.objects.get(codename=codename)
        for name in ("lead", "manager"):
            story.roles[name].permissions.add(right)
    story.roles["auditor"].permissions.add(Permission.objects.get(codename="view_bypass"))
    return story


def signed_in(person: Any) -> Client:
    browser = Client()
    browser.force_login(person)
    return browser


def page(browser: Client, address: str = PAGE) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_is_started_seen_ended_and_reviewed(crew):
    lena, max_ = signed_in(crew.lena), signed_in(crew.max)
    assert "What will happen" in page(lena)
    answer = lena.post(PAGE, ASKED)
    assert answer.status_code == 303
    assert "You cannot start another yet" in page(lena)
    crew.open(title="Pay the florist")
    shown = page(max_)
    assert "<b>down</b>" not in shown
    assert "\u202e" not in shown
    assert "1 ticket" in shown
    bypass = Bypass.objects.get()
    assert max_.post(PAGE, {"act": "end", "bypass": str(bypass.pk)}).status_code == 303
    bypass.refresh_from_db()
    assert bypass.ended_by == crew.max
    assert "Waits for its review" in page(lena)
    ticket = page(max_, f"{QUEUE}{bypass.review}/change/")
    assert "Pay the florist" in ticket
    assert "Not in order" in ticket
    vote = {"act": "vote", "choice": "in_order", "version": "1", "reason": ""}
    assert max_.post(f"{QUEUE}{bypass.review}/change/", vote).status_code == 303
    sweep_bypasses()
    assert "In order" in page(lena)
    assert "Start the bypass" in page(lena)


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ({"password": ""}, 403, "Give your password."),
        ({"password": "wrong"}, 403, "This is not your password."),
        ({"reason": "short"}, 422, "Say why, in 10 to 400 characters."),
        ({"duration": "9h"}, 422, "from one minute to four hours"),
        ({"checkpoints": "nowhere"}, 422, "There is no checkpoint"),
        ({"act": "jump"}, 422, "does not know"),
        ({"act": "end", "bypass": "x"}, 422, "does not know"),
    ],
)
def test_a_refusal_says_why_and_keeps_what_was_typed(crew, wrong, status, said):
    answer = signed_in(crew.lena).post(PAGE, {**ASKED, "incident": "INC-7", **wrong})
    shown = answer.content.decode()
    assert answer.status_code == status
    assert said in shown
    assert 'value="INC-7"' in shown
    assert PASSWORD not in shown
    assert not Bypass.objects.exists()


def test_a_session_is_never_proof_enough(crew):
    lena = signed_in(crew.lena)
    assert lena.post(PAGE, {**ASKED, "password": ""}).status_code == 403


def test_auditors_look_and_others_do_not_come_in(crew):
    shown = page(signed_in(crew.ada))
    assert "takes a right of its own" in shown
    assert signed_in(crew.ada).post(PAGE, ASKED).status_code == 403
    assert signed_in(crew.ann).get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302
    assert PAGE not in page(signed_in(crew.ann), QUEUE)
    assert PAGE in page(signed_in(crew.ada), QUEUE)


def test_while_it_is_active_every_page_says_so(crew):
    ticket = crew.open()
    _, token = issue_link(decision=ticket.decision, person=crew.ann, now=db_now())
    reader = Client()
    reader.get(f"/a/{token}", follow=True)
    link = reader.get(f"/a/{token}").headers["Location"]
    ann, ada = signed_in(crew.ann), signed_in(crew.ada)
    pages = [(ann, QUEUE), (ann, f"{QUEUE}{ticket.pk}/change/"), (ada, "/admin/approvals/user/"),
             (reader, link)]  # fmt: skip
    crew.roles["auditor"].permissions.add(Permission.objects.get(codename="view_user"))
    for browser, address in pages:
        assert "Bypass active" not in page(browser, address)
    signed_in(crew.lena).post(PAGE, ASKED)
    for browser, address in pages:
        shown = page(browser, address)
        assert "Bypass active until" in shown
        assert "Lena" in shown
        assert "<b>down</b>" not in shown
    assert f'href="{PAGE}"' in page(ada, "/admin/approvals/user/")
    end = {"act": "end", "bypass": str(Bypass.objects.get().pk)}
    signed_in(crew.lena).post(PAGE, end)
    assert "Bypass active" not in page(ann, QUEUE)


class TestTheCommand:
    @pytest.fixture
    def typed(self, monkeypatch):
        asked: list[str] = []

        def answer(prompt: str) -> str:
            asked.append(prompt)
            return self.secret

        monkeypatch.setattr("getpass.getpass", answer)
        return asked

    secret = PASSWORD

    def start(self, user: str, **more: Any) -> str:
        given = {"duration": "1h", "reason": "The database is full.", **more}
        out = io.StringIO()
        call_command("bypass", user=user, stdout=out, **given)
        return out.getvalue()

    def test_it_asks_who_one_is_and_says_what_happens(self, crew, typed, settings):
        settings.MAIL_NOTICES = True
        said = self.start("lena", checkpoint=["general"])
        assert typed == ["Password of lena: "]
        assert "BYPASS ACTIVE until" in said
        assert "told    Lena, Max, Ada" in said
        assert PAGE in said
        event = AuditEvent.objects.get(type="bypass.started")
        assert (event.channel, event.data["scope"]) == ("command", ["general"])
        assert crew.open().status == "approved"

    @pytest.mark.parametrize(
        ("user", "more", "said"),
        [
            ("nobody", {}, "There is nobody called nobody."),
            ("ann", {}, "takes a right of its own"),
            ("lena", {"reason": "short"}, "Say why"),
            ("lena", {"duration": "P1D"}, "four hours"),
            ("lena", {"checkpoint": ["nowhere"]}, "no checkpoint"),
        ],
    )
    def test_what_is_not_right_starts_nothing(self, crew, typed, user, more, said):
        with pytest.raises(CommandError, match=said):
            self.start(user, **more)
        assert not Bypass.objects.exists()

    def test_a_wrong_password_starts_nothing(self, crew, typed):
        self.secret = "wrong"
        with pytest.raises(CommandError, match="not your password"):
            self.start("lena")

    def test_a_machine_is_asked_nothing_and_refused(self, crew, typed):
        with pytest.raises(CommandError, match="machine"):
            self.start(crew.machine.username)
        assert typed == []
