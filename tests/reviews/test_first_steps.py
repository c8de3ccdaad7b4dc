"""What the first person to sign in is shown: the way to a first decision, from how things are."""

import pytest
from django.test import Client

from approvals.models import User
from reviews.services.ready import load_ready
from tests.builders import Cast, make_service_key

pytestmark = pytest.mark.db
QUEUE = "/admin/reviews/ticket/"


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.com")


def steps(person: User) -> tuple[list[bool], str]:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(QUEUE)
    return [step.done for step in answer.context["first_steps"]], answer.content.decode()


def test_an_empty_service_names_every_step(root: User) -> None:
    done, page = steps(root)
    assert done == [False] * 4
    assert "load_checkpoints" in page
    assert "Make a person" in page
    assert 'href="/admin/approvals/accesskey/add/"' in page


def test_a_role_that_is_asked_and_empty_is_named_until_somebody_is_in_it(root: User) -> None:
    load_ready()
    done, page = steps(root)
    assert done == [True, False, False, False]
    assert "Nobody who can sign in belongs to reviewer." in page


def test_what_is_done_is_ticked(cast: Cast, root: User) -> None:
    make_service_key(cast.max)
    done, page = steps(root)
    assert done == [True, True, True, False]
    assert page.count(">done</span>") == 3
    assert "Put people in roles" in page


def test_the_steps_are_for_who_can_go_them_and_go_with_the_first_ticket(
    cast: Cast, root: User
) -> None:
    assert steps(cast.ann)[0] == []
    cast.open(title="The first")
    client = Client()
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    assert "First steps" not in client.get(QUEUE).content.decode()
