"""`huggingface_hub` for one push: with time limits, tries, and a token that stays a secret."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import httpx2
from huggingface_hub import HfApi, constants, get_token, is_offline_mode, set_client_factory
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import disable_progress_bars
from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils._http import default_client_factory

from services.common.errors import HubError
from services.common.hub_target import HubTarget, endpoint
from services.common.masking import hide
from services.merger.hub.failures import told_failures
from services.merger.hub.patience import Patience
from services.merger.hub.sending import Cargo, PatientClient


@dataclass(frozen=True, slots=True)
class Hub:
    """The hub that a target names, as one push uses it."""

    api: HfApi
    target: HubTarget
    patience: Patience
    cargo: Cargo


@contextmanager
def connected(target: HubTarget, patience: Patience) -> Iterator[Hub]:
    """Give the hub of a target, and put the library back into its own state at the end.

    Raises `HubError` where the library may not be used.
    """
    cargo = Cargo()
    is_own = target.endpoint == endpoint()
    with told_failures(target):
        if is_offline_mode():
            raise OfflineModeIsEnabled
        trusted = httpx2.URL(target.endpoint) if is_own else None
    with _quiet(), _client(partial(PatientClient, patience, cargo, trusted)):
        with told_failures(target):
            token = _token() if is_own else None
        api = HfApi(
            endpoint=target.endpoint,
            token=token or False,
            library_name="spikemill",
            library_version=version("spikemill"),
        )
        yield Hub(api, target, patience, cargo)


def has_token(target: HubTarget) -> bool:
    """Tell whether this process has a token for the hub of a target; raises `HubError` as a push would."""
    return target.endpoint == endpoint() and _token() is not None


def _token() -> str | None:
    """Return the token of this process, which from now on stands in no text of ours."""
    try:
        token = get_token()
    except OSError as error:
        raise HubError(
            f"The token cannot be read from {constants.HF_TOKEN_PATH} ({error.strerror}); let this user read "
            "it, or name another file in HF_TOKEN_PATH."
        ) from error
    hide(filter(None, [token]))
    return token


@contextmanager
def _client(factory: partial[PatientClient]) -> Iterator[None]:
    """Let the library send by our client; it knows one client for all of the process."""
    set_client_factory(factory)
    try:
        yield
    finally:
        set_client_factory(default_client_factory)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the library write nothing of its own and report on nobody: what matters is told as ours."""
    verbosity, telemetry = hub_logging.get_verbosity(), constants.HF_HUB_DISABLE_TELEMETRY
    hub_logging.set_verbosity(logging.ERROR)
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        with warnings.catch_warnings(), disable_progress_bars():
            warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
            warnings.filterwarnings("ignore", "Warnings while validating metadata", UserWarning)
            yield
    finally:
        hub_logging.set_verbosity(verbosity)
        constants.HF_HUB_DISABLE_TELEMETRY = telemetry
