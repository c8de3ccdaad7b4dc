"""The settings of a test run: a data folder and servers of its own, started once.

The process that collects starts what `TEST_DATABASE` asks for before Django looks at any address;
pytest-xdist's workers inherit the addresses. `TEST_DATABASE` is `sqlite` (the default),
`postgresql`, or `none` for tests that touch no database.
"""

import atexit
import os
import shutil

from tests import servers

DATABASE = os.environ.get("TEST_DATABASE", "sqlite")

if "TEST_RUN_FOLDER" not in os.environ:
    folder = servers.short_folder()
    started: list[servers.Server] = []

    def end() -> None:
        while started:
            started.pop().stop()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    # What a developer's shell sets for a running service is no business of a test.
    for name in [*os.environ]:
        ours = {"DATABASE_URL", "REDIS_URL", "BASE_URL", "PORT", "SECRET_KEY", "USE_STUBS", "DEBUG"}
        if name.removesuffix("_FILE") in ours or name.startswith(("HITL_", "EMAIL_", "ANYMAIL_")):
            del os.environ[name]
    os.environ["TEST_RUN_FOLDER"] = os.environ["HITL_DATA_DIR"] = str(folder)
    if DATABASE == "postgresql":
        started.append(servers.start_postgresql(folder))
        os.environ["DATABASE_URL"] = started[-1].url
    if DATABASE != "none":
        started.append(servers.start_redis(folder))
        os.environ["TEST_REDIS_URL"] = started[-1].url

from hitl_project.settings import *  # noqa: E402, F403

# The slow hash protects stored passwords; the cast's stand in the tests.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Stories that are about mail switch it on; in the others nobody waits for any.
MAIL_NOTICES = False
# Races and long stories have a person vote more often than one could; the cap's own tests set it.
HITL_VOTES_PER_HOUR = 0
HITL_OPENINGS_PER_HOUR = HITL_NOTICES_PER_HOUR = 0
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
