"""Reads whose SQL is written once give what the queryset gives."""

import pytest
from django.db import models
from django.db.transaction import TransactionManagementError

from approvals.models import AccessKey, User
from audit.prepared import PreparedRead
from reviews.models import Ticket

pytestmark = pytest.mark.db


def test_a_row_comes_with_those_selected_beside_it(cast, django_assert_num_queries):
    read = PreparedRead(
        lambda prefix: AccessKey.objects.select_related("user", "owner").filter(prefix=prefix),
        field=models.CharField(),
        probe="no prefix",
    )

    with django_assert_num_queries(1):
        (found,) = read(cast.key.prefix)
        people = (found.user, found.owner)

    assert found == cast.key
    assert people == (cast.key.user, cast.key.owner)


def test_a_row_without_the_one_beside_it_comes_with_none(cast):
    read = PreparedRead(lambda key: Ticket.objects.select_related("region").filter(pk=key))

    (found,) = read(cast.open().pk)

    assert found.region is None


def test_the_second_read_is_of_another_key(cast):
    read = PreparedRead(
        lambda key: User.objects.filter(pk=key), field=models.IntegerField(), probe=-1
    )

    assert [read(person.pk) for person in (cast.ann, cast.ben)] == [[cast.ann], [cast.ben]]
    assert read(0) == []


@pytest.mark.django_db(transaction=True)
def test_a_read_that_locks_is_refused_outside_a_transaction():
    read = PreparedRead(lambda key: Ticket.objects.select_for_update().filter(pk=key))

    with pytest.raises(TransactionManagementError):
        read(Ticket().pk)
