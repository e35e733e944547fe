"""The settings: read from the environment, or from files under /run/secrets."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from spikemill.services.common.errors import CallError, hide
from spikemill.services.common.hub_target import MAIN, Transfer

_PREFIX = "SPIKEMILL_"
_NONE = timedelta(0)
_SECRETS = Path("/run/secrets")


class LogFormat(StrEnum):
    """The format of the log."""

    TEXT = "text"
    JSON = "json"


class Settings(BaseSettings):
    """The settings of a process; each field is `SPIKEMILL_<NAME>` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,
        extra="ignore",
    )

    database_url: SecretStr | None = Field(None, description="Postgres, as postgresql://user@host/name.")
    broker_url: SecretStr | None = Field(None, description="Redis or Valkey, as redis://host/0.")
    store: str | None = Field(
        None, description="What holds chunks and piles: a folder, or s3://bucket/prefix."
    )
    store_endpoint: str | None = Field(
        None, description="The server of an s3:// store, as https://host:port; AWS where none is named."
    )
    store_access_key_id: SecretStr | None = Field(
        None,
        description="The access key of an s3:// store; without it AWS's variables and files are used.",
    )
    store_secret_access_key: SecretStr | None = Field(None, description="The secret access key.")
    scratch: Path | None = Field(
        None, description="This machine's folder for temporary files of an s3:// store."
    )
    spool: Path | None = Field(None, description="The folder for copies of assets until they are binned.")
    catalog: str | None = Field(None, description="The catalogue to build, a path or a name in catalog/.")

    sources: str = Field(
        "", description="The sources of that catalogue to build; without it, those it takes by default."
    )

    push_to: str | None = Field(
        None,
        description="The dataset of the Hugging Face hub that piles are pushed to, as organisation/name "
        "or user/name; without it there is no push.",
    )
    push_public: bool = Field(
        default=False, description="Whether a push creates a public dataset; else it is private."
    )
    push_revision: str = Field(MAIN, description="The branch of that dataset.")
    push_with: Transfer = Field(
        Transfer.LFS,
        description="How shards are uploaded: lfs sends files that the hub lacks, xet parts that it lacks.",
    )

    dandi_api: str = Field(
        "https://api.dandiarchive.org/api", description="The API of dandi sources that name none."
    )
    figshare_api: str = Field(
        "https://api.figshare.com/v2", description="The API of figshare sources that name none."
    )
    requests_per_minute: int = Field(
        60, gt=0, description="How many API requests all workers together make to one host."
    )
    stream_connections: int = Field(
        8, gt=0, description="How many requests for parts of a file one worker process makes at once."
    )
    spool_bytes: int = Field(
        200_000_000_000, gt=0, description="How many bytes of assets the spool may hold at once."
    )
    worker_memory_bytes: int | None = Field(
        None, gt=0, description="RLIMIT_DATA of a worker process: a readable error instead of a kill."
    )

    lease: timedelta = Field(
        timedelta(seconds=180), gt=_NONE, description="How long a silent worker keeps its job."
    )
    heartbeat: timedelta = Field(
        timedelta(seconds=30), gt=_NONE, description="How often a worker renews its lease."
    )
    stop_patience: timedelta = Field(
        timedelta(seconds=100),
        gt=_NONE,
        description="How long a worker that is asked to stop continues its jobs before it releases them.",
    )
    sweep: timedelta = Field(
        timedelta(seconds=1), gt=_NONE, description="The pause between two rounds of the sweeper."
    )
    resend: timedelta = Field(
        timedelta(minutes=10), gt=_NONE, description="When a message that no worker took is sent again."
    )
    window: int = Field(16, gt=0, description="How many messages of one queue may be in flight.")
    max_crashes: int = Field(3, gt=0, description="How many workers a job may crash before it is dead.")
    attempt_cap: int = Field(200, gt=0, description="The upper bound on the attempts of one job.")
    give_up_after: timedelta = Field(
        timedelta(days=2),
        ge=_NONE,
        description="How long an archive or the hub may be unreachable before its jobs are dead.",
    )

    postgres_bin: Path | None = Field(None, description="The folder that holds postgres and initdb.")
    broker_bin: Path | None = Field(None, description="The program valkey-server or redis-server.")

    log_format: LogFormat = Field(LogFormat.TEXT, description="Lines for people, or one JSON object each.")
    heartbeat_file: Path | None = Field(
        None, description="The file in which a worker or the sweeper notes that it makes progress."
    )
    health_grace: timedelta = Field(
        timedelta(minutes=2),
        gt=_NONE,
        description="How long nothing may progress before that is unhealthy.",
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="The port on which the sweeper serves metrics to Prometheus."
    )
    metrics_address: str = Field("127.0.0.1", description="The address on which it listens.")
    reader_password: SecretStr | None = Field(
        None, description="The password of the read-only database user `reader`."
    )
    flower_password: SecretStr | None = Field(None, description="The password of Flower's user `spikemill`.")
    flower_port: int = Field(5555, ge=0, le=65535, description="The port on which Flower listens.")
    flower_address: str = Field("127.0.0.1", description="The address on which it listens.")

    worker: str | None = Field(None, description="The name that a supervisor gives to one run of a worker.")
    boot: str | None = Field(None, description="The name of that supervisor's own run.")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return this process's settings.

    Raises `CallError` with a line for each wrong one.
    """
    try:
        found = Settings()
    except ValidationError as error:
        lines = [_mistake(details) for details in error.errors(include_url=False)]
        raise CallError("\n".join(lines)) from error
    hide(_secrets(found))
    return found


def _secrets(found: Settings) -> Iterator[str]:
    """Yield the secret values; of an address, its password."""
    for _, value in found:
        if not isinstance(value, SecretStr):
            continue
        text = value.get_secret_value()
        yield from _passwords(text) if "://" in text else [text]


def _passwords(address: str) -> Iterator[str]:
    """Yield the password of an address, as written and unquoted."""
    try:
        password = urlsplit(address).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)


def _mistake(details: ErrorDetails) -> str:
    """Say which setting is wrong, and what to write instead."""
    name = f"{_PREFIX}{'_'.join(map(str, details['loc'])).upper()}"
    remedy = details["msg"].replace("Input should be", "it must be")
    if details["type"].startswith("time_delta"):
        remedy = "write a duration as in PT30S, PT10M or P2D"
    return f"{name}={details['input']}: {remedy}."
