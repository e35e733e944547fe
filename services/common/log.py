"""One line for each event."""

import logging

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging() -> None:
    """Write all events of our own, and only trouble of the libraries."""
    logging.basicConfig(level=logging.WARNING, format=_FORMAT)
    logging.getLogger("services").setLevel(logging.INFO)
