"""How a process ended, in words."""

import signal

import pytest

from spikemill.services.common.process import process_exit_of


@pytest.mark.parametrize(
    ("status", "how"),
    [
        (None, "perhaps for lack of memory"),
        (-signal.SIGKILL, "probably for memory (SIGKILL)"),
        (-signal.SIGSEGV, "was ended by SIGSEGV"),
        (-99, "was ended by signal 99"),
        (1, "ended by itself (exit status 1)"),
    ],
)
def test_an_end_is_told_by_its_signal_or_status(status: int | None, how: str) -> None:
    assert how in process_exit_of(status).reason


def test_what_the_kernel_counted_is_no_guess() -> None:
    told = process_exit_of(-signal.SIGKILL, out_of_memory=True)
    assert "the kernel killed its process (SIGKILL)" in told.reason
    assert told.remedy == "give the workers more memory"
