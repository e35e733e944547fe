"""What the engine says when one of its processes cannot run."""

from services.common.errors import SpikemillError


class EngineError(SpikemillError):
    """A process of the engine cannot be started or kept running; the text names its log (exit status 1)."""
