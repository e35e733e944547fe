"""How the ledger names a process that holds a job."""

import socket


def process_name(process: int) -> str:
    """Return what the name of each holder begins with that is this process of this machine."""
    return f"{socket.gethostname()}:{process}"
