"""A shell full of variables by which libraries can be led elsewhere, each with a value that would do harm."""

from psycopg.pq import Conninfo

_NOWHERE = "nowhere"
_DEAD_BROKER = "redis://127.0.0.1:1/0"

LIBPQ = {
    **{
        default.envvar.decode(): _NOWHERE for default in Conninfo.get_defaults() if default.envvar is not None
    },
    "PGHOSTADDR": "127.0.0.9",
    "PGCHANNELBINDING": "require",
    "PGSERVICEFILE": "/nowhere",
    "PGSYSCONFDIR": "/nowhere",
    "PGTZ": _NOWHERE,
    "PGDATESTYLE": _NOWHERE,
    "PGGEQO": _NOWHERE,
    "PSYCOPG_IMPL": _NOWHERE,
    "PSYCOPG_WAIT_FUNC": _NOWHERE,
}
"""All that libpq says that it reads, what it reads without saying so, and what psycopg reads."""

CELERY = {
    "CELERY_BROKER_URL": _DEAD_BROKER,
    "CELERY_BROKER_READ_URL": _DEAD_BROKER,
    "CELERY_BROKER_WRITE_URL": _DEAD_BROKER,
    "CELERY_RESULT_BACKEND": _DEAD_BROKER,
    "CELERY_CONFIG_MODULE": _NOWHERE,
    "CELERY_LOADER": _NOWHERE,
    "CELERY_CUSTOM_WORKER_POOL": _NOWHERE,
    "CELERY_WORKER_QUEUES": _NOWHERE,
    "BROKER_URL": _DEAD_BROKER,
    "RESULT_BACKEND": _DEAD_BROKER,
    "CONFIG_MODULE": _NOWHERE,
    "LOADER": _NOWHERE,
    "APP": _NOWHERE,
    "AUTOSCALE_KEEPALIVE": _NOWHERE,
    "C_STRICT_APP": "1",
    "DJANGO_SETTINGS_MODULE": _NOWHERE,
    "KOMBU_LOG_DEBUG": "1",
    "PICKLE_PROTOCOL": _NOWHERE,
    "PROMETHEUS_MULTIPROC_DIR": "/nowhere",
    "REMAP_SIGTERM": "SIGQUIT",
}
FLOWER = {
    "FLOWER_BASIC_AUTH": "anybody:anything",
    "FLOWER_PORT": "tcp://10.0.0.1:5555",
    "FLOWER_UNAUTHENTICATED_API": "true",
}
AWS = {
    "AWS_DATA_PATH": "/nowhere",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
    "AWS_MAX_ATTEMPTS": _NOWHERE,
    "AWS_REQUEST_CHECKSUM_CALCULATION": _NOWHERE,
    "AWS_RETRY_MODE": _NOWHERE,
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "BOTO_CONFIG": "/nowhere",
}
AWS_LOGIN = {
    "AWS_ACCESS_KEY_ID": _NOWHERE,
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_PROFILE": "lost",
    "AWS_SECRET_ACCESS_KEY": _NOWHERE,
    "AWS_SESSION_TOKEN": _NOWHERE,
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
}
"""What counts where spikemill has no key of its own."""

HUGGING_FACE = {
    "DANDI_LOG_LEVEL": _NOWHERE,
    "DANDI_MAX_CHUNK_SIZE": _NOWHERE,
    "EAGER_IMPORT": "1",
    "HF_DATASETS_CACHE": "/nowhere",
    "HF_DATASETS_IN_MEMORY_MAX_SIZE": _NOWHERE,
    "HF_HUB_DOWNLOAD_TIMEOUT": _NOWHERE,
    "HF_HUB_ETAG_TIMEOUT": _NOWHERE,
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_VERBOSITY": "debug",
    "HF_XET_CACHE": "/nowhere",
    "HUGGINGFACE_CO_STAGING": "1",
    "TRANSFORMERS_OFFLINE": "1",
}

EVERYTHING = {**LIBPQ, **CELERY, **FLOWER, **AWS, **AWS_LOGIN, **HUGGING_FACE}
