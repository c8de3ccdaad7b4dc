"""Every refusal names what was wrong and the way out, in words that fit the mistake."""

import gzip
import json

import pytest

from reviews.models import Ticket

pytestmark = pytest.mark.db

TICKETS = "/api/v1/tickets"
JSON = "application/json"


def sent(cast, raw, **more):
    return cast.as_key().post(TICKETS, raw, content_type=JSON, **more)


def messages(answer, status, code):
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert not Ticket.objects.exists()
    return {error["pointer"]: error["message"] for error in body["errors"]}


@pytest.mark.parametrize(
    "number, says",
    [
        (b"NaN", "finite"),
        (b"Infinity", "finite"),
        (b"-Infinity", "finite"),
        (b"9" * 300, "send it as text"),
        (b"-1" + b"0" * 5000, "finite"),
    ],
    ids=["nan", "infinity", "-infinity", "300 digits", "5000 digits"],
)
def test_a_number_no_program_can_hold_is_invalid_where_it_stands(cast, number, says):
    raw = b'{"title": "x", "proposal": {"deep": [{"n": ' + number + b"}]}}"

    found = messages(sent(cast, raw), 422, "invalid")

    assert says in found["/proposal/deep/0/n"]


@pytest.mark.parametrize(
    "raw, says",
    [
        (b'{"title": "x", "proposal": {"cost": 1, "cost": 2}}', "`cost` twice"),
        (b'{"title": "x",\n "a" 1}', "line 2, column 6"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"title": "\xff"}', "UTF-8"),
    ],
    ids=["a member twice", "no colon", "byte order mark", "latin-1"],
)
def test_what_cannot_be_read_is_told_where(cast, raw, says):
    answer = sent(cast, raw)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert says in answer.json()["detail"]


def test_a_member_named_twice_by_half_a_character_is_told_all_the_same(cast):
    answer = sent(cast, b'{"\\ud800": 1, "\\ud800": 2}')

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_a_compressed_body_is_not_read_as_text(cast):
    answer = sent(cast, gzip.compress(b'{"title": "x"}'), HTTP_CONTENT_ENCODING="gzip")

    assert answer.status_code == 415
    assert "Content-Encoding" in answer.json()["detail"]
    assert sent(cast, b'{"title": "x"}', HTTP_CONTENT_ENCODING="identity").status_code == 201


def test_refusals_before_the_body_is_read_name_the_way_out(cast, client):
    form = cast.as_key().post(TICKETS, "title=x", content_type="text/plain")
    page = cast.as_key().get(TICKETS, HTTP_ACCEPT="text/html")
    slash = cast.as_key().get(f"{TICKETS}/")
    elsewhere = client.get(TICKETS, HTTP_HOST="elsewhere.example")

    assert "application/json" in form.json()["detail"]
    assert "Accept: application/json" in page.json()["detail"]
    assert "Authorization: Bearer" in client.get(TICKETS).json()["detail"]
    assert (slash.status_code, "slash" in slash.json()["detail"]) == (404, True)
    assert (elsewhere.status_code, "ALLOWED_HOSTS" in elsewhere.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    "body, pointer, one",
    [
        ({"title": "x", "priority": "urgent"}, "/priority", "critical"),
        ({"title": "x", "preset": "bogus"}, "/preset", "acknowledgement"),
        ({"title": "x", "interaction": {"approval_type": "most"}}, "/interaction/approval_type",
         "majority"),
    ],
)  # fmt: skip
def test_a_word_that_is_none_of_a_few_is_told_which_there_are(cast, body, pointer, one):
    found = messages(sent(cast, json.dumps(body)), 422, "invalid")

    assert f"`{one}`" in found[pointer] or f" {one}" in found[pointer]


@pytest.mark.parametrize("amount", ["1_000", "\u0661\u0662", "1e3 ", "+ 5", "0x10"])
def test_an_amount_two_programs_could_read_differently_is_refused(cast, amount):
    found = messages(sent(cast, json.dumps({"title": "x", "amount": amount})), 422, "invalid")

    assert "1200.50" in found["/amount"]


@pytest.mark.parametrize("amount", ["1200.50", "-5", 7, 0.25, "12E2"])
def test_an_amount_in_digits_is_taken(cast, amount):
    assert sent(cast, json.dumps({"title": "x", "amount": amount})).status_code == 201


# --- What an address does not take ---------------------------------------------------------------
@pytest.mark.parametrize(
    "method, path, body",
    [
        ("post", "/hitl/tickets?dry_run=true", {"title": "x"}),
        ("post", f"{TICKETS}?dry_run=true&x=1", {"title": "x"}),
        ("post", f"{TICKETS}/bulk?dryrun=true", {"tickets": [{"title": "x"}]}),
        ("get", "/api/v1/me?expand=votes", None),
    ],
)
def test_a_parameter_an_address_does_not_take_is_refused(cast, method, path, body):
    answer = getattr(cast.as_key(), method)(path, body)

    assert answer.status_code == 422, answer.content
    (error,) = answer.json()["errors"]
    assert error["parameter"] in {"dry_run", "x", "dryrun", "expand"}
    assert not Ticket.objects.exists()


def test_many_tickets_are_tried_without_being_opened(cast):
    tried = cast.as_key().post(
        f"{TICKETS}/bulk?dry_run=true", {"tickets": [{"title": "x"}, {"nope": 1}]}
    )

    assert tried.status_code == 200
    fine, wrong = tried.json()["results"]
    assert (fine["status"], fine["would"]["then"], fine["would"]["dry_run"]) == (200, "ask", True)
    assert wrong["status"] == 422
    assert (tried.json()["opened"], tried.json()["refused"]) == (0, 1)
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("address", [TICKETS, f"{TICKETS}/bulk"])
def test_an_idempotency_key_that_is_none_is_refused_in_a_trial_too(cast, address):
    client, asked = cast.as_key(), {"title": "x"} if address == TICKETS else {"tickets": [{}]}
    answer = client.post(f"{address}?dry_run=true", asked, headers={"Idempotency-Key": "é"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"


def test_a_stranger_beside_many_tickets_is_named(cast):
    answer = cast.as_key().post(f"{TICKETS}/bulk", {"tickets": [{"title": "x"}], "dry_run": True})

    assert "/dry_run" in messages(answer, 422, "invalid")


def test_an_address_that_takes_nothing_says_so(cast):
    ticket = cast.as_key().post(TICKETS, {"title": "x"}).json()
    answer = cast.as_person(cast.ann).post(f"{TICKETS}/{ticket['id']}/skip", {"reason": "x"})

    assert answer.json()["errors"][0]["message"] == "Nothing is taken here; send an empty body."


def test_a_cursor_belongs_to_the_list_that_gave_it(cast):
    key = cast.as_key()
    for _ in range(2):
        key.post(TICKETS, {"title": "x"})
    cursor = key.get(TICKETS, {"limit": 1}).json()["next_cursor"]

    again = key.get(TICKETS, {"limit": 1, "cursor": cursor})
    other = key.get("/api/v1/checkpoints", {"cursor": cursor})

    assert (again.status_code, len(again.json()["data"])) == (200, 1)
    assert other.status_code == 422
    assert other.json()["errors"][0]["parameter"] == "cursor"


def test_an_if_match_that_is_no_version_says_what_is(cast):
    ticket = cast.as_key().post(TICKETS, {"title": "x"}).json()
    answer = cast.as_person(cast.ann).post(
        f"{TICKETS}/{ticket['id']}/votes", {"choice": "approve"}, HTTP_IF_MATCH="*"
    )

    assert answer.status_code == 412
    assert '"1"' in answer.json()["detail"]
