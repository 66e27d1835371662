"""Django's settings; what a site may set comes from kvmweb.environment."""

from __future__ import annotations

import socket
from pathlib import Path

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from kvmweb import environment
from kvmweb.storage import broker, database, metrics

ENVIRONMENT = environment.load()
ENVIRONMENT.prepare()
STATE = ENVIRONMENT.state
BASE_DIR = Path(__file__).resolve().parent.parent
CACHE_DIR = ENVIRONMENT.cache

INSTANCE = STATE.instance
SECRET_KEY = STATE.secret_key
DEBUG = False


def machine_names() -> list[str]:
    """The names and addresses under which this machine may be asked for the dashboard."""
    names = {"localhost", "127.0.0.1", "[::1]", socket.gethostname(), socket.getfqdn()}
    if ENVIRONMENT.tls:
        for entry in socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM):
            address = str(entry[4][0]).partition("%")[0]
            names.add(f"[{address}]" if ":" in address else address)
        if ENVIRONMENT.bind not in ("0.0.0.0", "::"):
            names.add(ENVIRONMENT.bind)
    if ENVIRONMENT.base_url:
        names.add(ENVIRONMENT.base_url.split("://", 1)[-1].split("/", 1)[0].rsplit(":", 1)[0])
    return sorted(names | set(ENVIRONMENT.hosts))


ALLOWED_HOSTS = machine_names()

INSTALLED_APPS = [
    "vms",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "allauth.mfa",
    "csp",
    "django_htmx",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "kvmweb.middleware.session_age",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "vms.views.errors.refusals",
    "vms.views.frame.zone",
]
ROOT_URLCONF = "kvmweb.urls"
ASGI_APPLICATION = "kvmweb.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "vms.views.frame.frame",
            ],
        },
    }
]

DATABASES = {"default": database(ENVIRONMENT)}
METRICS_DATABASE = metrics(ENVIRONMENT)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "vms.User"

REDIS_URL = ENVIRONMENT.redis
REDIS_PREFIX = f"kvmweb:{INSTANCE}:"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": REDIS_PREFIX + "cache",
        # Redis is believed about liveness, never about code: the default serializer would unpickle.
        # One that hangs must not keep whoever signs in (its rate limits are counted there).
        "OPTIONS": {
            "serializer": "kvmweb.serializers.JSONSerializer",
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
        },
    },
    # What {% cache %} keeps: pieces of pages that are the same for all, in each process's own memory.
    "template_fragments": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 2000},
    },
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            # redis-py 8 ends a silent reader after 5 s unless told otherwise (channels_redis issue 422).
            "hosts": [{"address": REDIS_URL, "socket_timeout": None}],
            "prefix": REDIS_PREFIX + "layer",
        },
    }
}

CELERY_BROKER_URL = broker(REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 7 * 86400,
    # A knock at a Redis that hangs is given up: the row is the queue.
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "global_keyprefix": REDIS_PREFIX + "celery:",
}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_DEFAULT_QUEUE = f"quick.{ENVIRONMENT.node}"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "overview"
ACCOUNT_ADAPTER = "kvmweb.accounts.Adapter"
USERSESSIONS_ADAPTER = "kvmweb.accounts.SessionsAdapter"
MFA_ADAPTER = "kvmweb.accounts.FactorsAdapter"
MFA_FORMS = {"authenticate": "vms.forms.factors.SecondStep"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "5/5m/key,20/5m/ip",
    "invitation": "20/m/ip",
    "reauthenticate": "30/m/user",
}
# nginx sets this header itself from the peer's address and passes nothing on (deploy and supervisor).
ALLAUTH_TRUSTED_CLIENT_IP_HEADER = "X-Real-IP"
USERSESSIONS_TRACK_ACTIVITY = False

SESSION_IDLE_SECONDS = ENVIRONMENT.session_idle_seconds
SESSION_ABSOLUTE_SECONDS = ENVIRONMENT.session_absolute_seconds
ACCOUNT_REAUTHENTICATION_TIMEOUT = ENVIRONMENT.session_fresh_seconds
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_SECONDS
SESSION_COOKIE_NAME = f"{'__Host-' if ENVIRONMENT.tls else ''}kvmweb-{INSTANCE}"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.tls
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{'__Host-' if ENVIRONMENT.tls else ''}kvmweb-csrf-{INSTANCE}"
CSRF_FAILURE_VIEW = "vms.views.errors.csrf_failure"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
USE_X_FORWARDED_HOST = False
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        "manifest-src": [SELF],
    }
}

if ENVIRONMENT.smtp:
    EMAIL_HOST, EMAIL_PORT = ENVIRONMENT.smtp.host, ENVIRONMENT.smtp.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = ENVIRONMENT.smtp.user, ENVIRONMENT.smtp.password
    EMAIL_USE_TLS, EMAIL_USE_SSL = ENVIRONMENT.smtp.tls == "starttls", ENVIRONMENT.smtp.tls == "tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENVIRONMENT.mail_from

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
ASSETS_DIR = BASE_DIR / "static" / "dist"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": environment.read("KVMWEB_LOG_LEVEL", "INFO")},
    "loggers": {"django.request": {"level": "ERROR"}, "celery.worker.strategy": {"level": "WARNING"}},
}
