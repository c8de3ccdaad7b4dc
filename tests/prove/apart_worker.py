"""Worker and scheduler of a proof whose processes are apart, with the faults they are given."""

from tests.prove import faults
from tests.prove.stage import set_up

set_up()
faults.apply()

from hitl_project.celery import app  # noqa: E402, F401
