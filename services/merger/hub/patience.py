"""How long the hub is waited for, and how often it is asked again, before that is the ledger's affair."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """The tries of one request, the seconds between them, and the seconds that a server may be silent."""

    tries: int = 6
    first_pause: float = 1.0
    longest_pause: float = 30.0
    connect: float = 10.0
    silence: float = 60.0
    commit: float = 300.0
    """A commit of many files is answered late."""

    def pause(self, failures: int, asked: float | None = None) -> float | None:
        """Return the seconds to wait after so many failures, or None where it is time to give up.

        `asked` is what the server asked for; more than the longest pause is not sat out here.
        """
        if failures >= self.tries or (asked or 0.0) > self.longest_pause:
            return None
        if asked is not None:
            return asked
        return min(self.first_pause * 2.0 ** (failures - 1), self.longest_pause)


PATIENCE = Patience()
