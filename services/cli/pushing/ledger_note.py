"""A push by hand enters the ledger that made the pile, where there is one."""

from services.cli.arguments import DEFAULT_HOME
from services.cli.ledger_of_home import ledger_of
from services.cli.local.address import running_address
from services.cli.local.home import Home
from services.cli.pushing.named_pile import NamedPile
from services.common.database import transaction
from services.common.hub_target import HubTarget
from services.common.ledger import pushes
from services.common.settings import settings


def note_in_ledger(pile: NamedPile, target: HubTarget, commit: str) -> bool:
    """Record a push in the ledger of the settings or of the pile's home; tell whether it knows the pile."""
    if pile.release is None or not _has_ledger(pile.home):
        return False
    with ledger_of(pile.home or Home(DEFAULT_HOME)), transaction() as ledger:
        return pushes.note_push(ledger, pile.release, pile.files.provenance_sha256, target, commit)


def _has_ledger(home: Home | None) -> bool:
    if settings().database_url is not None:
        return True
    return home is not None and (bool(home.clusters()) or running_address(home) is not None)
