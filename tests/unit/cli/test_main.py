"""Every failure is one readable line and an exit status."""

import pytest

from spikemill.services.cli.main import exit_on_error
from spikemill.services.common.errors import CallError, RecordingError


def fail_with(error: BaseException, *, debug: bool = False) -> int | str | None:
    """Return the exit status of a block that raises the error."""
    with pytest.raises(SystemExit) as ended, exit_on_error(debug=debug):
        raise error
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (CallError("Name a catalogue."), 2, "Name a catalogue.\n"),
        (RecordingError("a.nwb: no units table"), 1, "a.nwb: no units table\n"),
        (
            ZeroDivisionError("division by zero"),
            1,
            "ZeroDivisionError: division by zero (run it again with --debug to see where)\n",
        ),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
    ],
)
def test_a_failure_is_a_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, text: str
) -> None:
    assert fail_with(error) == status
    assert capsys.readouterr().err == text


def test_a_traceback_is_shown_only_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail_with(ZeroDivisionError("division by zero"), debug=True) == 1
    assert "Traceback" in capsys.readouterr().err


def test_no_password_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    fail_with(OSError("cannot reach postgresql://someone:secret@host/name"))
    fail_with(CallError("cannot reach https://host/file?signature=secret"))
    assert "secret" not in capsys.readouterr().err
