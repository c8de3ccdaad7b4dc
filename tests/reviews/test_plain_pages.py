"""Pages beside the desk's work: where one lands, what is refused, signing out, the password."""

from uuid import uuid4

import pytest
from django.http import HttpRequest
from django.test import Client
from django.views.csrf import csrf_failure

from approvals.models import User
from audit.clock import db_now
from hitl_project import api
from reviews.models import Delivery
from reviews.services.notices import EMAIL
from tests.builders import Cast

pytestmark = pytest.mark.db


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_bare_address_leads_to_the_queue() -> None:
    assert Client().get("/").headers["Location"] == "/admin/reviews/ticket/"


def test_an_address_that_leads_nowhere_offers_a_way_on(cast: Cast) -> None:
    for client in (Client(), signed_in(cast.ann)):
        answer = client.get("/nowhere")
        assert answer.status_code == 404
        assert "Go to the queue" in answer.content.decode()
        assert "style-src 'self';" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("handler", "status"),
    [(api.bad_request, 400), (api.permission_denied, 403), (api.page_not_found, 404)],
)
def test_each_refusal_is_a_page_that_tells_nothing_of_its_cause(handler, status) -> None:
    request = HttpRequest()
    request.path = "/admin/"
    answer = handler(request, ValueError("row 17"))
    assert answer.status_code == status
    assert b"Go to the queue" in answer.content
    assert b"row 17" not in answer.content


def test_our_own_failure_and_a_stale_form_say_that_nothing_was_changed() -> None:
    request = HttpRequest()
    request.path = "/admin/"
    for answer, status in ((api.server_error(request), 500), (csrf_failure(request), 403)):
        assert answer.status_code == status
        assert b"Nothing was changed." in answer.content


def test_who_logs_out_is_told_so_and_may_come_back(cast: Cast) -> None:
    page = signed_in(cast.ann).post("/admin/logout/").content.decode()
    assert "You are logged out" in page
    assert 'href="/admin/"' in page


def test_a_password_is_changed_in_the_frame_of_the_desk(cast: Cast) -> None:
    cast.ann.set_password("the first of two")
    cast.ann.save()
    client = signed_in(cast.ann)
    address = "/admin/password_change/"
    page = client.get(address)
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert 'aria-label="Main"' in page.content.decode()
    sent = {"old_password": "the first of two", "new_password1": "short", "new_password2": "short"}
    assert "too short" in client.post(address, sent).content.decode()
    sent |= {"new_password1": "the second of two", "new_password2": "the second of two"}
    assert "Your password is changed." in client.post(address, sent, follow=True).content.decode()
    cast.ann.refresh_from_db()
    assert cast.ann.check_password("the second of two")
    assert Client().get(address).status_code == 302


def test_pages_unfold_draws_say_where_one_is_in_the_words_of_the_menu(cast: Cast) -> None:
    root = signed_in(User.objects.create_superuser("root", "root@example.com"))
    people = "/admin/approvals/user/"
    assert "<h1" in root.get(people).content.decode().split(">People</h1>")[0]
    one = root.get(f"{people}{cast.ann.pk}/change/").content.decode()
    assert f'href="{people}">People</a>' in one
    assert "New</h1>" not in one
    assert "/history/" not in one
    password = root.get(f"{people}{cast.ann.pk}/password/").content.decode()
    assert cast.ann.label in password.split("<h1")[1].split("</h1>")[0]
    assert "New</h1>" in root.get(f"{people}add/").content.decode()
    assert "There is nothing here yet." in root.get("/admin/reviews/delivery/").content.decode()
    searched = root.get("/admin/reviews/delivery/?q=x").content.decode()
    assert "Nothing fits what you chose." in searched


def test_a_mail_in_the_list_of_what_leaves_names_its_reader(cast: Cast) -> None:
    root = signed_in(User.objects.create_superuser("root", "root@example.com"))
    notice = Delivery.objects.create(
        event_id=uuid4(),
        body={},
        type="ping",
        channel=EMAIL,
        target=str(cast.ann.pk),
        created_at=db_now(),
    )
    for address in ("", f"{notice.pk}/change/"):
        assert cast.ann.email in root.get(f"/admin/reviews/delivery/{address}").content.decode()


def test_a_sign_in_that_failed_says_so_in_plain_words(cast: Cast) -> None:
    page = Client().post("/admin/login/", {"username": "ann", "password": "wrong"})
    assert "do not belong together" in page.content.decode()
    assert "staff account" not in page.content.decode()
