"""Settings of Countersign; everything that differs between places comes from the environment."""

import logging
import os
from pathlib import Path
from typing import Any

from hitl_project import env as environment

# --- Where we are -------------------------------------------------------------------------------
BASE_DIR = Path(__file__).resolve().parent.parent
env = environment.Environment(os.environ)

HITL_RELEASE = "0.1.0"
HITL_DATA_DIR = env.folder("HITL_DATA_DIR", BASE_DIR / "var")
REDIS_URL = env.redis("REDIS_URL")
# Without Redis one process does everything: web, worker, scheduler and live updates.
EMBEDDED = REDIS_URL is None
DEBUG = env.flag("DEBUG", False)
PORT = env.number("PORT", 8000, least=0, most=65535)
# Where people reach us: mails, chat messages and receipts name this address.
BASE_URL_GIVEN = env.raw("BASE_URL") is not None
BASE_URL = env.web_address("BASE_URL", f"http://127.0.0.1:{PORT}")
HTTPS = BASE_URL.startswith("https://")

# --- Secrets ------------------------------------------------------------------------------------
SECRET_KEY = env.secret("SECRET_KEY", folder=HITL_DATA_DIR, generate=EMBEDDED)
HITL_SIGNING_KEY_GIVEN = env.raw("HITL_SIGNING_KEY") is not None
HITL_SIGNING_KEY = env.signing_key("HITL_SIGNING_KEY", folder=HITL_DATA_DIR, generate=EMBEDDED)

# --- The service's own switches -----------------------------------------------------------------
ENABLE_HUMAN_IN_THE_LOOP = env.flag("ENABLE_HUMAN_IN_THE_LOOP", True)
# Checkpoint slug → whether people are asked; a slug that is absent is asked.
HITL_FLAGS = env.flags()
# `HITL_<CHECKPOINT>` of these slugs means something else, so no checkpoint may bear them.
HITL_RESERVED_SLUGS = frozenset(
    name.removeprefix("HITL_").lower().replace("_", "-") for name in environment.NOT_FLAGS
)
USE_STUBS = env.flag("USE_STUBS", False)
if USE_STUBS and not DEBUG:
    environment.stop("USE_STUBS decides without people; unset it, or set DEBUG=true to develop.")
# Bearer word for /metrics; without one only this machine may read them.
METRICS_TOKEN = env.raw("METRICS_TOKEN")
STATSD_HOST = env.host_and_port("STATSD_HOST", 8125)
# (host, port) pairs webhooks may reach although they are not public or not behind HTTPS.
HITL_OUTBOUND_ALLOWED = env.hosts_and_ports("HITL_OUTBOUND_ALLOWED")

# --- Applications -------------------------------------------------------------------------------
# Unfold's templates win over those of admin, guardian and simple_history only from the front.
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.guardian",
    "unfold.contrib.simple_history",
    # Before our own admin, which takes its pages away again.
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "hitl_project",
    "audit.apps.AuditConfig",
    "approvals.apps.ApprovalsConfig",
    "reviews.apps.ReviewsConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "guardian",
    "simple_history",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "anymail",
    "django_structlog",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "audit.middleware.OriginMiddleware",
    "hitl_project.security.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "reviews.zones.ReaderZone",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "hitl_project.urls"
ASGI_APPLICATION = "hitl_project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database -----------------------------------------------------------------------------------
DATABASES = {"default": env.database("DATABASE_URL", HITL_DATA_DIR / "countersign.sqlite3")}
DATABASES["default"] |= {"ATOMIC_REQUESTS": False, "CONN_MAX_AGE": 0}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"] |= {
        # A write transaction takes its lock when it begins: one that starts with a read and is
        # overtaken could not wait, SQLite would refuse it at once.
        "OPTIONS": {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
            ),
        },
        # In memory there is no write-ahead log, and threads could not meet on one database.
        "TEST": {"NAME": str(HITL_DATA_DIR / "test.sqlite3")},
    }
    # One of them writes at a time; the rest wait in line here, where nobody overtakes.
    WEB_THREADS = 2
else:
    _prepare = env.flag("DATABASE_PREPARE", True)
    _pool_least = env.number("DATABASE_POOL_MIN", 1, least=0, most=200)
    _pool_most = env.number("DATABASE_POOL_MAX", 10, least=max(_pool_least, 3), most=500)
    # More would only take the interpreter from each other. At least two connections stay for
    # whoever waits on the event loop.
    WEB_THREADS = min(env.number("WEB_THREADS", 3, least=1, most=100), _pool_most - 2)
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        "pool": {
            "min_size": _pool_least,
            "max_size": _pool_most,
            "timeout": 5,
            # Between two tries to reach a database that is away the pool waits twice as long
            # each time. It ends that before its callers do, and the next of them begins anew.
            "reconnect_timeout": 4,
        },
        # A statement's plan is kept once it was used five times, which halves what the server does
        # for a vote. A pooler between us that hands a connection on after each transaction must
        # know prepared statements (PgBouncer from 1.21), or DATABASE_PREPARE be false.
        "server_side_binding": _prepare,
        "prepare_threshold": 5 if _prepare else None,
        "options": (
            "-c lock_timeout=3s -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s"
        ),
    }

# --- People and permissions ---------------------------------------------------------------------
AUTH_USER_MODEL = "approvals.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Nobody who is not signed in has rights, so guardian needs no row for such a person.
ANONYMOUS_USER_NAME = None
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SIMPLE_HISTORY_REVERT_DISABLED = True
# People are made by an administrator; allauth adds the second factor to the desk's own sign-in.
ACCOUNT_ADAPTER = "reviews.admin.second_factor.Accounts"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
MFA_ADAPTER = "reviews.admin.second_factor.SecondFactors"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True
# A clock half a minute off, or a code typed as it changes, is still right.
MFA_TOTP_TOLERANCE = 1
MFA_TOTP_ISSUER = "Countersign"
# Votes one person may cast in an hour before the service asks for a pause; 0: any number.
HITL_VOTES_PER_HOUR = env.number("HITL_VOTES_PER_HOUR", 60, least=0, most=100_000)
# Tickets one key may open in an hour, and of how many of them in one queue people hear by mail;
# 0: any number.
HITL_OPENINGS_PER_HOUR = env.number("HITL_OPENINGS_PER_HOUR", 3600, least=0, most=10_000_000)
HITL_NOTICES_PER_HOUR = env.number("HITL_NOTICES_PER_HOUR", 60, least=0, most=100_000)

# --- Interface ----------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "approvals.api.authentication.AccessKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["approvals.api.bodies.StrictJsonParser"],
    "DEFAULT_THROTTLE_CLASSES": ["approvals.api.throttles.ServiceKeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"key": "1200/min", "person": "600/min"},
    "DEFAULT_PAGINATION_CLASS": "approvals.api.paging.CursorPage",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "hitl_project.api.problem_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "URL_FORMAT_OVERRIDE": None,
    # Bodies are plain ASCII: what a terminal would obey or a browser would not show is an escape.
    "UNICODE_JSON": False,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign",
    "DESCRIPTION": "People decide what software may do.\n\n"
    "To try it here, press **Authorize** and give a key; *Access keys* at the desk makes one. "
    "`POST /api/v1/tickets` asks people, `GET /api/v1/tickets/{identifier}` says how it ended.",
    # What a program needs first stands first.
    "TAGS": [
        {"name": "tickets", "description": "Ask people, and hear what they decided"},
        {"name": "receipts", "description": "Prove a decision, and use it up"},
        {"name": "votes", "description": "Decide as a person"},
        {"name": "checkpoints", "description": "The kinds of decision"},
        {"name": "policies", "description": "Who decides"},
        {"name": "queues", "description": "Where tickets wait"},
        {"name": "webhooks", "description": "Be told as it happens"},
        {"name": "keys", "description": "How programs prove who they are"},
        {"name": "me", "description": "Who you are, and what waits for you"},
        {"name": "delegations", "description": "Who votes for whom"},
        {"name": "bypasses", "description": "For emergencies: let requests pass without a person"},
        {"name": "figures", "description": "What came, and how long it took"},
        {"name": "status", "description": "What is misconfigured, failing or overdue"},
        {"name": "compatibility", "description": "Addresses of earlier callers"},
    ],
    "VERSION": HITL_RELEASE,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": False,  # what is sent and what is answered are two classes anyway
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "hitl_project.api.finish_schema",
    ],
}
# Bodies above this are refused with 413 before they are parsed.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000

# --- Worker and scheduler -----------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
# The memory transport sleeps between looks; 50 ms keep the way to a channel short. A prefetch of 0
# means "no limit", without which a nudge waits for the next tick of the transport.
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"polling_interval": 0.05}
    if EMBEDDED
    # Every task is a tick that the next second repeats. A worker that kept them to give them back
    # would die of it when Redis goes away under its hands.
    else {"socket_timeout": 0.25, "socket_connect_timeout": 0.25, "ack_emulation": False}
)
CELERY_WORKER_PREFETCH_MULTIPLIER = 0 if EMBEDDED else 1
# Named, because discovery would only log a module that cannot be imported.
CELERY_IMPORTS = ["reviews.tasks"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # however long it takes until Redis is back
# The schedule is right here and every task is harmless to repeat, so nothing needs a file.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
# `expires`: after a pause of the worker one run catches up, not one per missed tick.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep-deadlines": {
        "task": "reviews.tasks.sweep_deadlines",
        # A stub's answer is promised within one second of its time.
        "schedule": 0.25 if USE_STUBS else 1.0,
        "options": {"expires": 5},
    },
    "dispatch-deliveries": {
        "task": "reviews.tasks.dispatch_deliveries",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
    "share-work": {
        "task": "reviews.tasks.share_work",
        "schedule": 2.0,
        "options": {"expires": 5},
    },
    "heartbeat": {
        "task": "hitl_project.celery.beat_heartbeat",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
    "count-figures": {
        "task": "reviews.tasks.count_figures",
        "schedule": 60.0,
        "options": {"expires": 120},
    },
    "flush-key-use": {
        "task": "reviews.tasks.flush_key_use",
        "schedule": 30.0,
        "options": {"expires": 60},
    },
    "seal-chains": {
        "task": "reviews.tasks.seal_chains",
        "schedule": 60.0,
        "options": {"expires": 120},
    },
}

# --- Live updates, caches -----------------------------------------------------------------------
# A cache that does not answer in 100 ms is treated as away: it only ever saves work.
if REDIS_URL is None:
    CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
        "default": {"BACKEND": "hitl_project.embedded.ThreadSafeChannelLayer"}
    }
    CACHES: dict[str, dict[str, Any]] = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    }
else:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL], "prefix": "countersign"},
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "countersign",
            "OPTIONS": {"socket_timeout": 0.1, "socket_connect_timeout": 0.1},
        }
    }

# --- Mail ---------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Countersign <countersign@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
EMAIL_TIMEOUT = 10
ANYMAIL = {name.removeprefix("ANYMAIL_"): env.text(name) for name in env.prefixed("ANYMAIL_")}
# Without a way out, mails become files: nothing is sent by accident and a newcomer can read them.
EMAIL_FILE_PATH = str(HITL_DATA_DIR / "mail")
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.filebased.EmailBackend")
_email = env.email("EMAIL_URL")
if _email is not None:
    vars().update({name: value for name, value in _email.items() if name.startswith("EMAIL_")})

if USE_STUBS:
    # What is tried out writes to nobody.
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

# Whether people are told of tickets by mail at all.
MAIL_NOTICES = env.flag("MAIL_NOTICES", True)

# --- Time and language --------------------------------------------------------------------------
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
USE_TZ = True
LANGUAGE_CODE = "en"
USE_I18N = True
FORMAT_MODULE_PATH = "hitl_project.formats"

# --- Static files -------------------------------------------------------------------------------
# Files are served from where the packages hold them. An image sets STATIC_ROOT and collects them
# with hashed names; doing that on every start would cost half a minute.
STATIC_URL = "/static/"
STATIC_ROOT = env.raw("STATIC_ROOT")
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- Security -----------------------------------------------------------------------------------
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = [BASE_URL]
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SAMESITE = SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_NAME = "countersign_session"
CSRF_COOKIE_NAME = "countersign_csrf"
SESSION_COOKIE_AGE = 12 * 60 * 60
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
# Probes come from inside, past the proxy that speaks TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS: list[str] = []

# --- Desk ---------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Countersign",
    "SITE_HEADER": "Countersign",
    "SITE_SUBHEADER": "People decide what software may do",
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    # Unfold would print the colours into an inline style; they stand in palette.css instead, so
    # that the content security policy needs no exception for styles.
    "COLORS": lambda _request: {},
    "STYLES": ["/static/countersign/palette.css"],
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "sizes": "any",
            "href": "/static/countersign/favicon.svg",
        }
    ],
    "SITE_ICON": "/static/countersign/favicon.svg",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "reviews.admin.navigation.sidebar",
    },
}

# --- Logging ------------------------------------------------------------------------------------
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("LOG_FORMAT", "console" if EMBEDDED else "json", ("console", "json"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "hitl_project.logs.line", "style": LOG_FORMAT}},
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["out"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"propagate": True},
        # Each request is logged once, by django_structlog, with a request id and redacted.
        "uvicorn.access": {"handlers": [], "propagate": False},
        "django.request": {"level": "CRITICAL"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
    },
}
DJANGO_STRUCTLOG_CELERY_ENABLED = True
# A request is one line, when it is finished; the sweeps of every second are none.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
