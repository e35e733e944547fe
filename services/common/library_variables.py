"""Decides, at the start of a process, which environment variables that libraries read have an effect.

Variables can lead libpq, Celery, Flower, botocore and huggingface_hub to another server, or make them log in
or connect in another way. spikemill is controlled by its own settings, and a variable that was meant for
another program must not change it. docs/one-machine.md describes this for users.
"""

import os
import sys
from collections.abc import Iterable, Mapping, MutableMapping, Sequence

WITHOUT_EFFECT: Mapping[str, Sequence[str]] = {
    "libpq, psycopg": ("PG*", "PSYCOPG_*"),
    "Celery, kombu, billiard": (
        "CELERY*",
        "KOMBU_*",
        # Celery's command reads these without a prefix, some for its broker or its configuration.
        *("APP", "BROKER_URL", "CONFIG_MODULE", "LOADER", "RESULT_BACKEND", "SKIP_CHECKS"),
        *("C_BENCH*", "C_FAKEFORK", "C_FORCE_ROOT", "C_IMPDEBUG", "C_REMDEBUG"),
        *("C_STRICT_APP", "C_WARN_APP", "C_WNOCONF"),
        *("AUTOSCALE_KEEPALIVE", "DISABLE_TRACEBACKS", "DJANGO_PROJECT_DIR", "DJANGO_SETTINGS_MODULE"),
        *("EVENTLET_NOBLOCK", "FORKED_BY_MULTIPROCESSING", "MP_LOG", "MP_MAIN_FILE", "_MP_FORK_*"),
        "MULTIPROCESSING_FORKING_DISABLE",
        *("NOSETPS", "PICKLE_PROTOCOL", "REMAP_SIGTERM", "TIMER_DEBUG", "USE_FAST_LOCALS"),
    ),
    "Flower": ("FLOWER_*",),
    "botocore": ("AWS_*", "BOTO*"),
    "huggingface_hub, hf_xet, datasets": (
        *("HF_*", "HUGGINGFACE_*", "HUGGING_FACE_*", "DATASETS_*"),
        *("EAGER_IMPORT", "TRANSFORMERS_OFFLINE"),
    ),
    "dandi": ("DANDI_*",),
    "prometheus_client": ("PROMETHEUS_*", "prometheus_multiproc_dir"),
}
"""By library, the variables without effect; `*` stands for any ending, also one of a later release."""

WITH_MEANING: Mapping[str, Sequence[str]] = {
    "botocore": (
        *("AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
        *("AWS_CREDENTIAL_EXPIRATION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
        *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_LOGIN_CACHE_DIRECTORY"),
        *("AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *("AWS_STS_REGIONAL_ENDPOINTS", "AWS_CONTAINER_*", "AWS_EC2_METADATA_*", "AWS_METADATA_SERVICE_*"),
        "AWS_IMDS_USE_IPV6",
    ),
    "huggingface_hub, hf_xet, datasets": (
        *("HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "HF_HUB_OFFLINE"),
    ),
}
"""The exceptions, which do have an effect, as the documentation says."""

_DATABASE, _BROKER = "SPIKEMILL_DATABASE_URL", "SPIKEMILL_BROKER_URL"
_BUCKET, _FLOWER = "SPIKEMILL_STORE_ENDPOINT", "SPIKEMILL_FLOWER_PASSWORD"
# A user who set one of these may have meant spikemill too. The others are not worth a line each time.
NAMED: Mapping[str, str] = {
    **dict.fromkeys(("PGHOSTADDR", "PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE"), _DATABASE),
    **dict.fromkeys(("PGSYSCONFDIR", "PGOPTIONS", "PGTARGETSESSIONATTRS"), _DATABASE),
    **dict.fromkeys(("PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGGSSENCMODE"), _DATABASE),
    **dict.fromkeys(("PGCHANNELBINDING", "PGREQUIREAUTH", "PGREQUIREPEER", "PGREQUIRESSL"), _DATABASE),
    **dict.fromkeys(("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"), _BROKER),
    **dict.fromkeys(("BROKER_URL", "CELERY_CONFIG_MODULE"), _BROKER),
    **dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"), _BUCKET),
    **dict.fromkeys(("AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT"), _BUCKET),
    **dict.fromkeys(("FLOWER_BASIC_AUTH", "FLOWER_UNAUTHENTICATED_API"), _FLOWER),
}
"""The variables that the user is told of, each with the setting that takes its place."""

# A notice about these settings needs such a word in the command or in the store's address.
_USED_WITH = {_BUCKET: "s3://", _FLOWER: "spikemill.services.flower"}
_ASKS_FOR_TEXT = frozenset({"--help", "--version"})

_to_be_named: list[str] = []


def pass_over(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove the variables without effect, for this process and its children."""
    removed = {name: environment.pop(name) for name in without_effect(environment)}
    words = [environment.get("SPIKEMILL_STORE", ""), *sys.orig_argv]
    _to_be_named[:] = [name for name, value in removed.items() if value and _is_worth_naming(name, words)]


def notice() -> str | None:
    """Return the line that names the removed variables, once; None where there is nothing to say."""
    names = list(_to_be_named)
    _to_be_named.clear()
    if not names:
        return None
    settings = sorted({NAMED[name] for name in names})
    verb = "has" if len(names) == 1 else "have"
    own = "setting is" if len(settings) == 1 else "settings are"
    return f"{_listed(names)} {verb} no effect on spikemill; its own {own} {_listed(settings)}."


def without_effect(names: Iterable[str]) -> list[str]:
    """Return those of the variables that have no effect."""
    return sorted(
        name for name in names if _matches(name, WITHOUT_EFFECT) and not _matches(name, WITH_MEANING)
    )


def _matches(name: str, families: Mapping[str, Sequence[str]]) -> bool:
    patterns = [pattern for family in families.values() for pattern in family]
    return name in patterns or any(
        pattern.endswith("*") and name.startswith(pattern[:-1]) for pattern in patterns
    )


def _is_worth_naming(name: str, words: Sequence[str]) -> bool:
    """Tell whether the variable could matter to a process that was started with these words."""
    if name not in NAMED or _ASKS_FOR_TEXT.intersection(words):
        return False
    return any(_USED_WITH.get(NAMED[name], "") in word for word in words)


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
