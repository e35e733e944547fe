"""The Celery application that all services share: it carries messages, and decides nothing.

The ledger is the truth; a message only says "look at this job". So messages are acknowledged before the work,
nothing is prefetched, and no result is kept.
"""

from ssl import CERT_REQUIRED
from typing import Any

from celery import Celery
from kombu.entity import Queue as Route
from kombu.utils.url import parse_url

from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.kinds import Queue

_MINUTE = 60
_HOUR = 60 * _MINUTE
TIME_LIMIT = 24 * _HOUR
_CONFIGURATION: dict[str, Any] = {
    # Workers may start before the broker, and never give up on it.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_connection_timeout": 4,
    "task_default_queue": Queue.PLAN.value,
    "task_create_missing_queues": False,
    "task_serializer": "json",
    "accept_content": ["json"],
    # Early acknowledgement: a message is never delivered twice while its job runs; the lease recovers it.
    "task_acks_late": False,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    # One authority bounds crashes: the ledger.
    "task_reject_on_worker_lost": False,
    "task_retry_on_worker_lost": False,
    "task_ignore_result": True,
    "result_backend": None,
    # A sweeper that waits for a broker repairs nothing; the next round sends again.
    "task_publish_retry": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_enable_prefetch_count_reduction": False,
    "task_soft_time_limit": TIME_LIMIT - 10 * _MINUTE,
    "task_time_limit": TIME_LIMIT,
    "worker_soft_shutdown_timeout": 0,
    "worker_proc_alive_timeout": _MINUTE,
    # HDF5 and Arrow fragment the heap over many sessions.
    "worker_max_tasks_per_child": 50,
    "worker_send_task_events": True,
    "task_send_sent_event": True,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
}


def create_app(*task_modules: str) -> Celery:
    """Make an application that knows the tasks of the given modules."""
    broker = settings().broker_url
    if broker is None:
        raise CallError("There is no broker: set SPIKEMILL_BROKER_URL, or use spikemill build.")
    url = broker.get_secret_value()
    app = Celery("spikemill", include=list(task_modules))
    app.conf.update(
        _CONFIGURATION,
        broker_url=url,
        broker_transport_options=_transport_options(url),
        broker_use_ssl=_verification(url),
        task_queues=[Route(queue.value) for queue in Queue],  # type: ignore[no-untyped-call]  # kombu's
    )
    return app


def _verification(url: str) -> dict[str, Any] | None:
    """Return how an encrypted broker is verified: strictly, unless its address says otherwise.

    Without this kombu verifies nothing where the address says nothing, and Flower never reads the address.
    """
    if not url.startswith("rediss://"):
        return None
    return {"ssl_cert_reqs": CERT_REQUIRED, **parse_url(url).get("ssl", {})}


def _transport_options(url: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        # Nothing stays unacknowledged for long, so a short one only repairs a lost hand-over.
        "visibility_timeout": 10 * _MINUTE,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "max_connections": 20,
        "health_check_interval": 25,
    }
    if not url.startswith("redis+socket"):
        # A TCP connection may be half open: without these a worker waits for ever.
        options |= {"socket_timeout": 5, "socket_connect_timeout": 3, "socket_keepalive": True}
    return options
