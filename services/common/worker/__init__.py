"""What a Celery worker is: its application, how it runs a job, and what is known of its processes."""
