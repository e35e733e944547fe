"""Ctrl-C while the command still loads."""

import subprocess
import sys

_INTERRUPTED_WHILE_LOADING = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "spikemill.services.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from spikemill.services.cli.entry import main
main()
"""


def test_an_interrupt_while_modules_load_is_one_sentence() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_WHILE_LOADING], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 130
    assert ended.stderr == "Stopped before anything was started.\n"
    assert ended.stdout == ""
