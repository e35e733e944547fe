"""Who may look at Flower."""

from base64 import b64encode

from services.common.errors import CallError
from services.common.settings import settings

_NAME = "spikemill"


def credentials() -> str:
    """Return the one name and its password, as name:password."""
    password = settings().flower_password
    if password is None:
        raise CallError(
            "Flower needs a password: set SPIKEMILL_FLOWER_PASSWORD, "
            "or write it into /run/secrets/spikemill_flower_password."
        )
    return f"{_NAME}:{password.get_secret_value()}"


def authorization(name_and_password: str) -> str:
    """Return the header in which a browser says a name and a password, written as name:password."""
    return f"Basic {b64encode(name_and_password.encode()).decode()}"
