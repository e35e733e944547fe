"""The expected errors, the table of retries, and the masking of secrets."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

_TEXT_LIMIT = 4_000
_MORE_MEMORY = " Give the workers more memory, or let fewer of them run on this machine; then retry."
_MASK = "***"
# A shorter secret may be an ordinary word; masking it would spoil messages.
_SHORTEST = 8
_SECRET_VARIABLES = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)
_hidden: set[str] = set()
_PATTERNS = (
    # A presigned link is its query.
    (re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*"), r"\1"),
    # A signature without its address.
    (re.compile(r"(?i)\b((?:X-Amz-)?(?:Signature|Credential)=)[^\s&'\"]+"), rf"\1{_MASK}"),
    # Credentials in an address; a colon may also stand before a port.
    (re.compile(r"://[^\s/:@'\"]*:(?!\d+[/?\s])[^\s@'\"]*@"), "://"),
    # A header, as in a request or in a printed dictionary.
    (
        re.compile(
            r"(?i)\b(authorization['\"]?\s*[:=,]\s*(?:b?['\"])?)(?:(?:basic|bearer|token)\s+)?[^\s'\",})]+"
        ),
        rf"\1{_MASK}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), rf"\1{_MASK}"),
    # A setting, a connection string, a parameter; a colon only in a dictionary, for it is common in text.
    (
        re.compile(
            r"(?i)\b(\w*(?:password|passwd|secret|token|access_key|api_key)(?:\s*=\s*|['\"]\s*:\s*)(?:b?['\"])?)"
            r"[^\s'\",;&})]+"
        ),
        rf"\1{_MASK}",
    ),
    # A token of the hub.
    (re.compile(r"\bhf_\w{8,}"), _MASK),
)


class SpikemillError(Exception):
    """Base class of all expected errors."""


class CallError(SpikemillError):
    """The call, the settings or the catalogue is wrong; nothing was started (exit status 2)."""


class CatalogueError(CallError):
    """A catalogue says something that cannot be built; the text names file, source and key."""


class RecordingError(SpikemillError):
    """A recording cannot be turned into counts; trying again would change nothing."""


class AssetError(SpikemillError):
    """An asset is gone, changed or not accessible; trying again would change nothing."""


class NoRangesError(AssetError):
    """The server of an asset cannot be relied on for parts of it; a whole copy may still work."""


class DamagedDownloadError(SpikemillError):
    """What arrived is not what the archive described; the copy was thrown away."""


class NetworkError(SpikemillError):
    """An archive could not be reached, or asked to wait."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreError(SpikemillError):
    """The store is full, missing, or belongs to another ledger."""


class StoreAwayError(StoreError):
    """The server of the store could not be reached, or asked to wait."""


class StoreSettingsError(StoreError, CallError):
    """The store's address, bucket or credentials are wrong."""


class HubError(SpikemillError):
    """The Hugging Face hub refuses, and would refuse again; the text says what to do."""


class SupersededError(SpikemillError):
    """Another worker has the job, or no build needs it any more; this attempt's result is dropped."""


class DamagedOutputError(SpikemillError):
    """A file that the ledger names is missing or not what the ledger says."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a kind of failure is tried, and the waits between tries (the last one repeats)."""

    tries: int
    waits: Sequence[timedelta]

    def wait(self, failures: int) -> timedelta:
        """Return the pause after the given number of failures (1 for the first)."""
        return self.waits[min(failures, len(self.waits)) - 1]


PERMANENT = RetryPolicy(tries=1, waits=(timedelta(0),))
# Archives are unreachable for minutes to hours (dandi-cli #1556): the waits grow to an hour. Usually
# SPIKEMILL_GIVE_UP_AFTER ends the tries; this number does only where that is longer than a week.
PATIENT = RetryPolicy(
    tries=180, waits=tuple(timedelta(seconds=s) for s in (5, 10, 30, 60, 120, 300, 900, 1800, 3600))
)
RETRY_TABLE: dict[type[BaseException], RetryPolicy] = {
    NetworkError: PATIENT,
    StoreAwayError: PATIENT,
    DamagedDownloadError: RetryPolicy(tries=3, waits=(timedelta(seconds=5), timedelta(seconds=60))),
    # Another process may have taken the memory or the disk; two more tries are enough to know.
    MemoryError: RetryPolicy(tries=3, waits=(timedelta(seconds=5), timedelta(seconds=60))),
    StoreError: RetryPolicy(tries=3, waits=(timedelta(seconds=10), timedelta(seconds=60))),
    DamagedOutputError: PERMANENT,
    HubError: PERMANENT,
    RecordingError: PERMANENT,
    AssetError: PERMANENT,
    NoRangesError: PERMANENT,
    CallError: PERMANENT,
    # Anything else is a bug of ours or of a library: once more, in case it was the machine.
    Exception: RetryPolicy(tries=2, waits=(timedelta(seconds=5),)),
}


def retry_policy(error: BaseException) -> RetryPolicy:
    """Look the error up in the table, by its nearest listed class."""
    return next(RETRY_TABLE[kind] for kind in type(error).__mro__ if kind in RETRY_TABLE)


def readable(error: BaseException) -> str:
    """Return the error's text for the ledger: bounded, and free of passwords and presigned links."""
    text = str(error) or type(error).__name__
    if not isinstance(error, SpikemillError):
        text = f"{type(error).__name__}: {text}"
    if isinstance(error, MemoryError):
        text = f"{text.removesuffix('.')}.{_MORE_MEMORY}"
    return masked(text).replace("\x00", "")[:_TEXT_LIMIT]


def hide(secrets: Iterable[str]) -> None:
    """Mask these texts from now on, in every text of this process."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            _hidden.update((secret, quote(secret, safe="")))


def hide_environment() -> None:
    """Mask the secrets that libraries take from the environment."""
    hide(filter(None, map(os.environ.get, _SECRET_VARIABLES)))


def masked(text: str) -> str:
    """Return the text without its secrets."""
    for secret in _hidden:
        text = text.replace(secret, _MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
