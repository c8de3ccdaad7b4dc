"""The service's settings as it is measured: its own, without a throttle that would answer 429."""

from hitl_project.settings import *  # noqa: F403
from hitl_project.settings import LOGGING, REST_FRAMEWORK

REST_FRAMEWORK = {
    **REST_FRAMEWORK,
    "DEFAULT_THROTTLE_RATES": {"key": "100000/s", "person": "100000/s"},
}
# One reviewer votes more often than a person could; the look at how often costs the same.
HITL_VOTES_PER_HOUR = 100_000
HITL_OPENINGS_PER_HOUR = 10_000_000
LOGGING = {**LOGGING, "root": {**LOGGING["root"], "level": "ERROR"}}
