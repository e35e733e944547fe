"""The dry run: what a build would read, from the archives' listings alone."""
