"""The web application of a proof whose processes are apart, with the faults it is given."""

from tests.prove import faults
from tests.prove.stage import set_up

set_up()
faults.apply()

from hitl_project.asgi import application  # noqa: E402, F401
