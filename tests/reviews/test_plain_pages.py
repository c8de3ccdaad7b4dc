"""Pages beside the desk's work: where one lands, what is refused, signing out, the password."""

import pytest
from django.http import HttpRequest
from django.test import Client
from django.views.csrf import csrf_failure

from approvals.models import User
from hitl_project import api
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
