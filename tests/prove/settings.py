"""The service's settings as a proof runs under them: cheap passwords, no throttle, quiet logs."""

import os

from hitl_project.settings import *  # noqa: F403
from hitl_project.settings import LOGGING, REST_FRAMEWORK

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MAIL_NOTICES = os.environ.get("PROVE_MAIL") == "1"
HITL_VOTES_PER_HOUR = 0
HITL_OPENINGS_PER_HOUR = int(os.environ.get("PROVE_OPENINGS", "0"))
HITL_NOTICES_PER_HOUR = 0
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# A 429 would count as a refusal, and a refusal must come from the mechanism under proof.
REST_FRAMEWORK |= {"DEFAULT_THROTTLE_RATES": {"key": "100000/s", "person": "100000/s"}}
# What is searched for secrets must be written first.
LOGGING = {**LOGGING, "root": {**LOGGING["root"], "level": os.environ.get("PROVE_LOG", "ERROR")}}
