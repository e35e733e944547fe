"""Tells whether Flower answers and reaches the broker: `python -m services.flower.health`.

Prints one line; exits with 0 where it does, else with 1.
"""

import sys
from urllib.error import URLError
from urllib.request import Request, urlopen

from services.common.errors import SpikemillError, readable
from services.common.settings import settings
from services.flower.credentials import authorization, credentials

_PATIENCE = 5.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - an address to look up


def ask_for_queues() -> None:
    """Have Flower ask the broker for the length of its queues."""
    address = settings().flower_address
    url = f"http://{_EVERYWHERE.get(address, address)}:{settings().flower_port}/api/queues/length"
    request = Request(url, headers={"Authorization": authorization(credentials())})
    with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - it begins with http
        answer.read()


def main() -> int:
    """Check Flower, and return the exit status."""
    try:
        ask_for_queues()
    except (SpikemillError, URLError, TimeoutError) as error:
        print(readable(error))  # noqa: T201 - what a health check is for
        return 1
    print("Flower answers, and the broker answers it.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
