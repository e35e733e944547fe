"""`python -m spikemill.services.flower`: Celery's Flower behind a password, read-only."""

import hmac
import logging
import os
import signal
from http import HTTPStatus
from typing import Any

from flower.app import Flower
from flower.options import options
from flower.urls import settings as flower_settings
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.web import RequestHandler

from spikemill.services.common.errors import CallError
from spikemill.services.common.logs import configure_logging
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.app import create_app
from spikemill.services.flower.health import authorization, credentials

_log = logging.getLogger("spikemill.services.flower")
# A task's arguments say what it is about, its result how its job ended: for Celery a job that failed is a
# success, since the ledger decides what follows.
_COLUMNS = "name,args,state,result,worker,runtime,received"
# Some kilobytes each; the ledger knows the rest.
_NEWEST_TASKS = 20_000
# After this long a worker that was scaled away is forgotten.
_ONE_HOUR = 3600
REFUSAL = "Log in as spikemill with its password.\n"


def main() -> None:
    """Answer until SIGTERM or SIGINT."""
    configure_logging()
    address, port = settings().flower_address, settings().flower_port
    options.basic_auth = [credentials()]
    options.read_only = True
    options.tasks_columns = _COLUMNS
    options.max_tasks = _NEWEST_TASKS
    options.purge_offline_workers = _ONE_HOUR
    options.address, options.port = address, port
    flower = LockedFlower(capp=create_app(), options=options, **flower_settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: flower.io_loop.add_callback_from_signal(flower.stop))
    try:
        port = flower.start_http_server()
    except OSError as error:
        raise CallError(
            f"Flower cannot listen at {address}:{port}: {error.strerror or error}; "
            "set SPIKEMILL_FLOWER_ADDRESS and SPIKEMILL_FLOWER_PORT to what is free on this machine."
        ) from error
    _log.info("Flower at http://%s:%d", address, port)
    flower.start()
    # It holds nothing, but a thread that waits for an absent broker would keep the process alive for long.
    logging.shutdown()
    os._exit(os.EX_OK)


class LockedFlower(Flower):  # type: ignore[misc]  # Flower has no types
    """Flower that asks for a password, whatever the address."""

    def find_handler(self, request: HTTPServerRequest, **arguments: Any) -> HTTPMessageDelegate:
        """Return the handler of a request, or a refusal."""
        given = request.headers.get("Authorization", "").encode()
        [expected] = self.options.basic_auth
        is_allowed = hmac.compare_digest(given, authorization(expected).encode())
        handler: HTTPMessageDelegate = (
            super().find_handler(request, **arguments)
            if is_allowed
            else self.get_handler_delegate(request, Denied)
        )
        return handler


class Denied(RequestHandler):
    """The answer to a request without the password, whatever the address."""

    def check_xsrf_cookie(self) -> None:
        """Check no cookie: this handler changes nothing."""

    def prepare(self) -> None:
        """Ask for the password."""
        self.set_status(HTTPStatus.UNAUTHORIZED)
        self.set_header("WWW-Authenticate", 'Basic realm="spikemill"')
        self.finish(REFUSAL)


if __name__ == "__main__":
    main()
