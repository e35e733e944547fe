"""Celery's Flower, to watch the queues: behind a password, and read-only."""
