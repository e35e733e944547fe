"""The binner's Celery application."""

from services.common.worker_process import worker_app

app = worker_app("services.binner.tasks")
