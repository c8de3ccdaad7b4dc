"""A database that goes away under a call is told as what it is: nobody knows what was stored."""

import psycopg
import pytest
from django.db import OperationalError
from psycopg import errors
from psycopg_pool import PoolTimeout

from hitl_project.api import problem_handler


def raised(cause: Exception) -> OperationalError:
    problem = OperationalError(str(cause))
    problem.__cause__ = cause
    return problem


@pytest.mark.parametrize(
    "cause",
    [
        psycopg.OperationalError("server closed the connection unexpectedly"),
        errors.AdminShutdown("terminating connection due to administrator command"),
        errors.CannotConnectNow("the database system is starting up"),
    ],
)
def test_a_call_whose_database_went_away_may_be_sent_again(cause):
    answer = problem_handler(raised(cause), {})
    assert answer is not None
    assert (answer.status_code, answer.data["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert "not known" in answer.data["detail"]


def test_a_call_that_never_had_a_connection_is_sure_that_nothing_was_stored():
    answer = problem_handler(raised(PoolTimeout("no connection within 5 s")), {})
    assert answer is not None
    assert answer.status_code == 503
    assert "not known" not in answer.data["detail"]


@pytest.mark.parametrize("cause", [errors.DiskFull("no space left"), ValueError("anything")])
def test_other_failures_of_the_database_stay_failures_of_ours(cause):
    assert problem_handler(raised(cause), {}) is None
