"""Whether Flower answers and reaches the broker: run with `python -m`; and its login."""

import sys
from base64 import b64encode
from urllib.error import URLError
from urllib.request import Request, urlopen

from spikemill.services.common.errors import CallError, SpikemillError, readable
from spikemill.services.common.settings import settings

_PATIENCE = 5.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - an address to look up


def main() -> int:
    """Have Flower ask the broker for the length of its queues, and return the exit status."""
    host = _ANY.get(settings().flower_address, settings().flower_address)
    url = f"http://{host}:{settings().flower_port}/api/queues/length"
    try:
        request = Request(url, headers={"Authorization": authorization(credentials())})
        with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - it begins with http
            answer.read()
    except (SpikemillError, URLError, TimeoutError) as error:
        print(readable(error))  # noqa: T201 - what a health check is for
        return 1
    print("Flower answers, and the broker answers it.")  # noqa: T201
    return 0


def credentials() -> str:
    """Return the login as name:password."""
    password = settings().flower_password
    if password is None:
        raise CallError(
            "Flower needs a password: set SPIKEMILL_FLOWER_PASSWORD, "
            "or write it into /run/secrets/spikemill_flower_password."
        )
    return f"spikemill:{password.get_secret_value()}"


def authorization(name_and_password: str) -> str:
    """Return the value of the header with which a browser sends name:password."""
    return f"Basic {b64encode(name_and_password.encode()).decode()}"


if __name__ == "__main__":
    sys.exit(main())
