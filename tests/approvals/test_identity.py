"""Who somebody is: the password again, or the second factor's code."""

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from approvals.errors import IdentityNotConfirmed, MachineCannotVote, TooManyTries, WrongState
from approvals.services import identity
from approvals.services.identity import confirm_identity
from audit.clock import shifted
from audit.models import AuditEvent
from tests.builders import PASSWORD

if TYPE_CHECKING:
    from tests.builders import Cast

pytestmark = pytest.mark.db
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_now(steps: int = 0, secret: str = SECRET) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def with_second_factor(person) -> list[str]:
    return identity.set_up_second_factor(user=person, secret=SECRET, code=code_now(-1))


def test_the_password_confirms_who_somebody_is(cast: "Cast") -> None:
    confirm_identity(user=cast.ann, password=PASSWORD)


def test_a_wrong_password_is_refused_and_told_in_the_audit_trail(cast: "Cast") -> None:
    with pytest.raises(IdentityNotConfirmed) as refused:
        confirm_identity(user=cast.ann, password="guess")
    assert refused.value.code == "confirm-identity"
    assert refused.value.extra == {"needs": "password"}
    told = AuditEvent.objects.get(stream=f"identity:{cast.ann.pk}")
    assert told.type == "identity.not_confirmed"


def test_nothing_at_all_is_refused_without_counting(cast: "Cast") -> None:
    for _ in range(7):
        with pytest.raises(IdentityNotConfirmed):
            confirm_identity(user=cast.ann)
    confirm_identity(user=cast.ann, password=PASSWORD)


def test_after_five_wrong_tries_even_the_right_one_waits_a_quarter_of_an_hour(cast: "Cast") -> None:
    for _ in range(5):
        with pytest.raises(IdentityNotConfirmed):
            confirm_identity(user=cast.ann, password="guess")
    with pytest.raises(TooManyTries) as refused:
        confirm_identity(user=cast.ann, password=PASSWORD)
    assert 890 <= refused.value.extra["retry_after"] <= 900
    confirm_identity(user=cast.ben, password=PASSWORD)
    with shifted(timedelta(minutes=16)):
        confirm_identity(user=cast.ann, password=PASSWORD)


def test_a_machine_has_no_identity_to_confirm(cast: "Cast") -> None:
    with pytest.raises(MachineCannotVote):
        confirm_identity(user=cast.machine, password="x")


def test_who_is_switched_off_confirms_nothing(cast: "Cast") -> None:
    cast.ann.is_active = False
    with pytest.raises(IdentityNotConfirmed):
        confirm_identity(user=cast.ann, password=PASSWORD)


def test_with_a_second_factor_the_password_is_not_enough(cast: "Cast") -> None:
    with_second_factor(cast.ann)
    with pytest.raises(IdentityNotConfirmed) as refused:
        confirm_identity(user=cast.ann, password=PASSWORD)
    assert refused.value.extra == {"needs": "code"}
    confirm_identity(user=cast.ann, code=code_now())


def test_a_code_works_once(cast: "Cast") -> None:
    with_second_factor(cast.ann)
    code = code_now()
    confirm_identity(user=cast.ann, code=code)
    with pytest.raises(IdentityNotConfirmed):
        confirm_identity(user=cast.ann, code=code)


def test_a_recovery_code_works_once_and_until_new_ones_are_made(cast: "Cast") -> None:
    codes = with_second_factor(cast.ann)
    assert len(codes) == len(set(codes)) == 10
    confirm_identity(user=cast.ann, code=codes[0])
    with pytest.raises(IdentityNotConfirmed):
        confirm_identity(user=cast.ann, code=codes[0])
    renewed = identity.renew_recovery_codes(user=cast.ann)
    with pytest.raises(IdentityNotConfirmed):
        confirm_identity(user=cast.ann, code=codes[1])
    confirm_identity(user=cast.ann, code=renewed[1])


def test_a_second_factor_takes_proof_and_is_set_up_once(cast: "Cast") -> None:
    with pytest.raises(IdentityNotConfirmed):
        identity.set_up_second_factor(user=cast.ann, secret=SECRET, code="000000")
    with pytest.raises(WrongState):
        identity.renew_recovery_codes(user=cast.ann)
    with_second_factor(cast.ann)
    with pytest.raises(WrongState):
        with_second_factor(cast.ann)
    identity.remove_second_factor(user=cast.ann)
    confirm_identity(user=cast.ann, password=PASSWORD)


def test_the_secret_is_not_readable_in_the_database(cast: "Cast") -> None:
    with_second_factor(cast.ann)
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert SECRET not in stored


def sign_in(client: Client, **more: str):
    given = {"username": "ann", "password": PASSWORD, "next": "/admin/reviews/ticket/", **more}
    return client.post("/admin/login/", given)


def test_signing_in_takes_the_password_alone_without_a_second_factor(cast: "Cast") -> None:
    client = Client()
    assert sign_in(client, password="wrong").status_code == 200
    answer = sign_in(client)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/reviews/ticket/")
    assert client.get("/admin/reviews/ticket/").status_code == 200


def test_signing_in_asks_for_the_code_of_a_second_factor(cast: "Cast") -> None:
    with_second_factor(cast.ann)
    client = Client()
    answer = sign_in(client)
    assert answer["Location"] == "/account/second-factor/code/"
    assert client.get("/admin/reviews/ticket/").status_code == 302, "half signed in is not in"
    assert "Enter your code" in client.get(answer["Location"]).content.decode()
    wrong = client.post(answer["Location"], {"code": "000000"})
    assert wrong.status_code == 200
    assert "Incorrect code" in wrong.content.decode()
    right = client.post(answer["Location"], {"code": code_now()})
    assert right["Location"] == "/admin/reviews/ticket/"
    assert client.get("/admin/reviews/ticket/").status_code == 200


def test_nobody_is_sent_elsewhere_after_signing_in(cast: "Cast") -> None:
    answer = sign_in(Client(), next="https://evil.example/")
    assert answer["Location"] == "/admin/"


def test_a_person_sets_up_renews_and_removes_their_second_factor(cast: "Cast") -> None:
    client = Client()
    sign_in(client)
    page = client.get("/account/second-factor/")
    assert "data:image/svg+xml;base64," in page.content.decode()
    assert "unsafe" not in page["Content-Security-Policy"]
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page.content.decode())[1].replace(" ", "")
    done = client.post("/account/second-factor/", {"act": "set-up", "code": code_now(0, secret)})
    assert len(re.findall(r"<li><code>\d{8}</code></li>", done.content.decode())) == 10
    assert identity.has_second_factor(cast.ann)
    renewed = client.post("/account/second-factor/", {"act": "renew"})
    assert len(re.findall(r"<li><code>\d{8}</code></li>", renewed.content.decode())) == 10
    client.post("/account/second-factor/", {"act": "remove"})
    assert not identity.has_second_factor(cast.ann)


def test_a_session_left_open_changes_no_second_factor(cast: "Cast") -> None:
    client = Client()
    sign_in(client)
    client.get("/account/second-factor/")
    with shifted(timedelta(minutes=16)):
        answer = client.post("/account/second-factor/", {"act": "set-up", "code": "123456"})
    assert answer.status_code == 403
    assert "Your password, to confirm" in client.get(
        "/account/second-factor/"
    ).content.decode() or ("Show that it is you" in answer.content.decode())


def test_looking_at_the_second_factor_changes_no_row(cast: "Cast") -> None:
    client = Client()
    sign_in(client)
    before = AuditEvent.objects.count(), Authenticator.objects.count()
    assert client.get("/account/second-factor/").status_code == 200
    assert (AuditEvent.objects.count(), Authenticator.objects.count()) == before
