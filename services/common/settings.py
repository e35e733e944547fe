"""Every setting, once: read from the environment, or from files under /run/secrets."""

from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.errors import CallError

_PREFIX = "SPIKEMILL_"
_NONE = timedelta(0)
_SECRETS = Path("/run/secrets")


class Settings(BaseSettings):
    """What a process of spikemill needs to know; each field is `SPIKEMILL_<NAME>` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,
        extra="ignore",
    )

    database_url: SecretStr | None = Field(None, description="Postgres, as postgresql://user@host/name.")
    broker_url: SecretStr | None = Field(None, description="Redis or Valkey, as redis://host/0.")
    store: str | None = Field(None, description="The folder that holds chunks and piles.")
    spool: Path | None = Field(None, description="The folder for copies of assets until they are binned.")
    catalog: str | None = Field(None, description="The catalogue to build, a path or a name in catalog/.")

    dandi_api: str = Field(
        "https://api.dandiarchive.org/api", description="What `api` means where a dandi source names none."
    )
    figshare_api: str = Field(
        "https://api.figshare.com/v2", description="What `api` means where a figshare source names none."
    )
    requests_per_minute: int = Field(
        60, gt=0, description="How many API requests all workers together make to one host."
    )
    stream_connections: int = Field(
        8, gt=0, description="How many requests for parts of a file one worker process makes at once."
    )
    spool_bytes: int = Field(
        200_000_000_000, gt=0, description="How many bytes of assets may lie in the spool at once."
    )
    worker_memory_bytes: int | None = Field(
        None, gt=0, description="RLIMIT_DATA of a worker process: a readable error in place of a kill."
    )

    lease: timedelta = Field(
        timedelta(seconds=180), gt=_NONE, description="How long a silent worker keeps its job."
    )
    heartbeat: timedelta = Field(
        timedelta(seconds=30), gt=_NONE, description="How often a worker renews its lease."
    )
    sweep: timedelta = Field(
        timedelta(seconds=1), gt=_NONE, description="The pause between two rounds of the sweeper."
    )
    resend: timedelta = Field(
        timedelta(minutes=10), gt=_NONE, description="When a message that nobody answered is sent again."
    )
    window: int = Field(16, gt=0, description="How many messages of one queue may be under way.")
    max_crashes: int = Field(
        3, gt=0, description="How often a job may vanish with its worker before it is dead."
    )
    attempt_cap: int = Field(200, gt=0, description="The last bound on the attempts of one job.")
    give_up_after: timedelta = Field(
        timedelta(days=2), ge=_NONE, description="How long an archive may be away before its jobs are dead."
    )

    postgres_bin: Path | None = Field(None, description="The folder that holds postgres and initdb.")
    broker_bin: Path | None = Field(None, description="The program valkey-server or redis-server.")

    worker: str | None = Field(None, description="The name that a supervisor gives to one life of a worker.")
    boot: str | None = Field(None, description="The name of that supervisor's own life.")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return this process's settings.

    Raises `CallError` with a line for each that is wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [_mistake(details) for details in error.errors(include_url=False)]
        raise CallError("\n".join(lines)) from error


def _mistake(details: ErrorDetails) -> str:
    """Say which setting is wrong, and what to write instead."""
    name = f"{_PREFIX}{'_'.join(map(str, details['loc'])).upper()}"
    remedy = details["msg"].replace("Input should be", "it must be")
    if details["type"].startswith("time_delta"):
        remedy = "write a duration as in PT30S, PT10M or P2D"
    return f"{name}={details['input']}: {remedy}."
