"""The queue for people to watch: Celery's Flower, behind a password, and with nothing to press."""
