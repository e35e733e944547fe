"""The ledger for Prometheus, served by the sweeper; each scrape measures it anew."""

import logging
from collections.abc import Iterable, Iterator
from threading import Lock
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from services.common.database import transaction
from services.common.errors import CallError, readable
from services.common.ledger.gauges import Gauges, read_gauges
from services.common.metric_families import families_of, ledger_up

_log = logging.getLogger(__name__)


class LedgerCollector(Collector):
    """Measures the ledger when it is asked to: one scrape at a time, beside the sweeper's rounds."""

    def __init__(self) -> None:
        """Measure nothing yet."""
        self._turn = Lock()

    def collect(self) -> Iterator[Metric]:
        """Yield what was measured; while Postgres is away that is only that it is."""
        gauges = self._measure()
        yield ledger_up(is_up=gauges is not None)
        if gauges is not None:
            yield from families_of(gauges)

    def describe(self) -> Iterable[Metric]:
        """Return no metric in advance: that would take a ledger."""
        return ()

    def _measure(self) -> Gauges | None:
        try:
            with self._turn, transaction() as ledger:
                return read_gauges(ledger)
        except Exception as error:
            _log.warning("the ledger could not be measured: %s", readable(error))
            return None


def serve_metrics(address: str, port: int) -> WSGIServer:
    """Answer scrapes at this address from threads of their own, for as long as the process lives."""
    registry = CollectorRegistry()
    registry.register(LedgerCollector())
    registry.register(ProcessCollector(namespace="spikemill_sweeper", registry=None))
    try:
        server, _ = start_http_server(port, address, registry)
    except OSError as error:
        raise CallError(
            f"Metrics cannot be served at {address}:{port}: {error.strerror or error}; "
            "set SPIKEMILL_METRICS_ADDRESS and SPIKEMILL_METRICS_PORT to what is free on this machine."
        ) from error
    _log.info("metrics at http://%s:%d/metrics", address, server.server_port)
    return server
