"""What failed, each as one line: the source, the file, what is wrong, and what to do."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from services.common.ledger.figures import Failure, LeftOut
from services.common.models.work import COUNTING, JobKind, JobState


def dead_lines(failures: Sequence[Failure], home: Path) -> list[str]:
    """Return a line per session and other piece of work that failed for good."""
    lines: dict[str, str] = {}
    for failure in failures:
        if failure.state == JobState.DEAD:
            lines.setdefault(failure.session or f"{failure.source}/{failure.kind}", dead_line(failure, home))
    return list(lines.values())


def dead_line(failure: Failure, home: Path) -> str:
    """Return what is wrong with one piece of work, and what a person can do."""
    text = described(failure.source, failure.file, failure.error)
    return f"{text} ({_remedy(failure, home)})"


def left_out_line(left_out: LeftOut) -> str:
    """Return why a build goes without a session."""
    if left_out.waived_because is not None:
        return f"{left_out.session}: waived: {left_out.waived_because}"
    return described(left_out.source, left_out.file, left_out.error or "it failed")


def described(source: str, file: str | None, error: str) -> str:
    """Return an error in one line that names source and file, each once."""
    text = " ".join(error.split())
    if file and file not in text:
        text = f"{file}: {text}"
    return text if text.startswith(source) and text[len(source) :][:1] in {":", ","} else f"{source}: {text}"


def _remedy(failure: Failure, home: Path) -> str:
    """Return what to type; the error's own text says what to change."""
    in_home = f"--home {shlex.quote(str(home))}"
    if failure.kind in {JobKind.FETCH, *COUNTING}:
        return f"to go on without it: spikemill waive {shlex.quote(failure.session)} --reason WHY {in_home}"
    return f"to try it again: spikemill retry {in_home}"
