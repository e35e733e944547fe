"""The ledger for Prometheus, served by the sweeper; each scrape measures it anew."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import CallError, readable
from spikemill.services.common.ledger.monitoring import Gauges, read_gauges
from spikemill.services.common.models import JobKind, JobState
from spikemill.services.common.worker.kinds import QUEUE_OF_KIND, Queue

_log = logging.getLogger(__name__)
_Rows = Sequence[tuple[Any, ...]]


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


def ledger_up(*, is_up: bool) -> Metric:
    """Say whether there is anything to be measured."""
    return GaugeMetricFamily("spikemill_ledger_up", "Whether the ledger could be asked.", value=float(is_up))


def families_of(gauges: Gauges) -> Iterator[Metric]:
    """Yield the metrics, each with all its labels."""
    yield from _work(gauges)
    yield from _queues(gauges)
    yield from _builds(gauges)
    yield from _traffic(gauges)
    yield GaugeMetricFamily(
        "spikemill_sweeper_last_round_timestamp_seconds",
        "When the last round of a sweeper began.",
        value=gauges.last_round or 0.0,
    )


def _work(gauges: Gauges) -> Iterator[Metric]:
    yield _gauge("spikemill_jobs", "Jobs in the ledger.", gauges.jobs, "kind", "state")
    yield _counter("spikemill_attempts", "Attempts at jobs that ended.", gauges.attempts, "kind", "outcome")


def _queues(gauges: Gauges) -> Iterator[Metric]:
    """Yield what to scale workers on; a queue that has nothing is told as well."""
    waiting, running, oldest = Counter[Queue](), Counter[Queue](), dict.fromkeys(Queue, 0.0)
    for kind, jobs, seconds in gauges.ready:
        queue = QUEUE_OF_KIND[JobKind(kind)]
        waiting[queue] += jobs
        oldest[queue] = max(oldest[queue], seconds)
    for kind, state, jobs in gauges.jobs:
        if state == JobState.RUNNING:
            running[QUEUE_OF_KIND[JobKind(kind)]] += jobs
    yield _per_queue("ready_jobs", "Jobs that could run now, whether sent or not.", waiting)
    yield _per_queue("running_jobs", "Jobs that run.", running)
    yield _per_queue("oldest_ready_seconds", "How long the oldest job has waited that could run.", oldest)


def _per_queue(name: str, text: str, values: Mapping[Queue, float]) -> Metric:
    rows = [(queue.value, values[queue]) for queue in Queue]
    return _gauge(f"spikemill_queue_{name}", text, rows, "queue")


def _builds(gauges: Gauges) -> Iterator[Metric]:
    yield _gauge("spikemill_sessions", "Sessions of open builds.", gauges.sources, "pile", "source", "state")
    yield _gauge("spikemill_tokens", "Tokens that open builds have so far.", gauges.tokens, "pile", "source")


def _traffic(gauges: Gauges) -> Iterator[Metric]:
    arrived = [(source, received) for source, received, _ in gauges.traffic]
    yield _counter("spikemill_fetched_bytes", "Bytes of assets that travelled.", arrived, "source")
    requests = [(source, asked) for source, _, asked in gauges.traffic]
    yield _counter("spikemill_part_requests", "Requests for parts of assets.", requests, "source")


def _gauge(name: str, text: str, rows: _Rows, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=labels), rows)


def _counter(name: str, text: str, rows: _Rows, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=labels), rows)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, rows: _Rows) -> Metric:
    for *labels, value in sorted(rows):
        family.add_metric(labels, value)
    return family
