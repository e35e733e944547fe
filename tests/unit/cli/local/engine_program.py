"""A program that runs the engine with two toy children until it is interrupted: `engine_program.py HOME`."""

import sys
import time
from pathlib import Path

from spikemill.services.cli.local.children import Child
from spikemill.services.cli.local.engine import Address, python_child, running_engine
from spikemill.services.cli.local.home import Home

TOY = "import time; time.sleep(600)"


def prepare(address: Address) -> None:
    """Show that the ledger is there before any child."""
    sys.stdout.write(f"prepared {address.boot}\n")


def children(home: Home, address: Address) -> list[Child]:
    """Return two children that only wait; `timeit` is a module that runs a statement."""
    return [python_child(name, ["timeit", "-n1", "-r1", TOY], home, address, ()) for name in ("one", "two")]


def main() -> None:
    """Run until an interrupt, which ends with status 130."""
    try:
        home = Home(Path(sys.argv[1]))
        with running_engine(home, prepare=prepare) as engine:
            engine.add_missing(children(home, engine.address))
            sys.stdout.write(f"up {engine.address.database_url}\n")
            sys.stdout.flush()
            while True:
                engine.check()
                time.sleep(0.1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
