"""The service's settings as it is measured: its own, without a throttle that would answer 429."""

from hitl_project.settings import *  # noqa: F403
from hitl_project.settings import LOGGING, REST_FRAMEWORK

REST_FRAMEWORK = {
    **REST_FRAMEWORK,
    "DEFAULT_THROTTLE_RATES": {"key": "100000/s", "person": "100000/s"},
}
LOGGING = {**LOGGING, "root": {**LOGGING["root"], "level": "ERROR"}}
