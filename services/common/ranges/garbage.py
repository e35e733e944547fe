"""Keeping Python's garbage collection out of threads that HDF5 waits for."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collected_later() -> Iterator[None]:
    """Let no garbage be collected within the body.

    h5py holds its one lock while HDF5 waits for a file object's bytes, and takes it to forget an object. A
    thread that fetches those bytes and happens to collect one would wait for the reader, and the reader for
    the thread, without end (h5py #2019).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
