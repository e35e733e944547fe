"""Where copies of assets lie until their session is binned."""

from services.common.spool.base import Copy, Spool
from services.common.spool.opening import open_spool
from services.common.spool.sweeping import drop_copies, sweep_arrivals, sweep_spool

__all__ = ["Copy", "Spool", "drop_copies", "open_spool", "sweep_arrivals", "sweep_spool"]
