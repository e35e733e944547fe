"""One line for each event."""

import logging

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging(level: int = logging.INFO) -> None:
    """Write events of our own at the given level, and only trouble of the libraries."""
    logging.basicConfig(level=logging.WARNING, format=_FORMAT)
    logging.getLogger("services").setLevel(level)
