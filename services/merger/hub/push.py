"""What others ask for: push a pile to a target, or say what that would change."""

from services.common.hub_target import HubTarget, Transfer, require_redistributable
from services.merger.hub.client import connected
from services.merger.hub.difference import Difference
from services.merger.hub.papers import papers_of
from services.merger.hub.patience import PATIENCE, Patience
from services.merger.hub.pile_files import PileFiles
from services.merger.hub.progress import Progress, Silent
from services.merger.hub.publication import Publication, Pushed, compared, require_no_other_dataset
from services.merger.hub.repository import standing


def push(
    pile: PileFiles,
    target: HubTarget,
    *,
    transfer: Transfer = Transfer.LFS,
    progress: Progress | None = None,
    patience: Patience = PATIENCE,
) -> Pushed:
    """Let the target be this pile, by one commit; by none where it is it already.

    Raises `CallError` where a source may not be published, `DamagedOutputError` where a file of the pile is
    not what its provenance says, `NetworkError` where trying again may help, `HubError` where it will not.
    """
    require_redistributable(pile.provenance.pile.sources)
    with connected(target, patience) as hub:
        return Publication(hub, pile, transfer, progress or Silent(), papers_of(pile, target)).run()


def preview(pile: PileFiles, target: HubTarget, *, patience: Patience = PATIENCE) -> Difference:
    """Return what a push would change, and change nothing; raises what `push` raises."""
    require_redistributable(pile.provenance.pile.sources)
    with connected(target, patience) as hub:
        before = standing(hub)
        require_no_other_dataset(hub, before)
        return compared(pile, papers_of(pile, target), before.files)
