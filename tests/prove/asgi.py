"""The web application, without what a control switches off."""

from tests.prove.stage import set_up

set_up()

from hitl_project.asgi import application  # noqa: E402, F401
