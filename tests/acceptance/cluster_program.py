"""Runs an engine whose services share no folder, as on hosts of their own, until it is interrupted.

Its arguments are the home, which holds only the ledger, and the folder with a part for each host. The store
is that of the environment.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from spikemill.services.cli.home import use_ledger
from spikemill.services.cli.local.children import Child
from spikemill.services.cli.local.engine import Address, build_children, running_engine
from spikemill.services.cli.local.home import Home
from spikemill.services.common.migrate import migrate

_HOME, _HOSTS = (Path(argument) for argument in sys.argv[1:])


def _prepare(address: Address) -> None:
    use_ledger(address.database_url)
    migrate()


def _on_a_host_of_its_own(child: Child) -> Child:
    places = {
        "SPIKEMILL_STORE": os.environ["SPIKEMILL_STORE"],
        "SPIKEMILL_SPOOL": "",
        "SPIKEMILL_SCRATCH": str(_HOSTS / child.name),
    }
    return replace(child, environment={**child.environment, **places})


with running_engine(Home(_HOME), prepare=_prepare) as engine:
    children = build_children(Home(_HOME), engine.address, binners=2)
    engine.add_missing(_on_a_host_of_its_own(child) for child in children)
    signal.pause()
