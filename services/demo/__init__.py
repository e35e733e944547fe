"""A made-up archive: it serves the demo and the tests, and its data mean nothing."""
