"""Ctrl-C: the first press ends, the others hasten."""

import os
import signal
import threading

import pytest

from spikemill.services.cli.local.supervisor import Interrupts, interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_press_ends_and_the_second_only_counts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with interrupts() as listener:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert listener.presses() == 2
    assert signal.getsignal(number) is before


def test_an_end_that_has_begun_is_not_broken_off() -> None:
    with interrupts() as listener:
        listener.expect_end()
        os.kill(os.getpid(), signal.SIGINT)
        assert listener.presses() == 1


def test_a_press_that_a_callback_lost_is_raised_again() -> None:
    class Interrupted:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    with interrupts() as listener:
        Interrupted()
        assert listener.presses() == 1
        with pytest.raises(KeyboardInterrupt):
            listener.check()
        listener.expect_end()
        listener.check()


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts() as listener:
            os.kill(os.getpid(), signal.SIGHUP)
            assert listener.presses() == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_may_use_it_without_signals() -> None:
    found: list[Interrupts] = []

    def use() -> None:
        with interrupts() as listener:
            found.append(listener)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found[0].presses() == 0
