"""A session that was copied first: from its verified copies to its chunk."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from services.binner.readers import CopiedFile
from services.binner.session_chunk import make_chunk
from services.common.checksums import sha256_of
from services.common.database import transaction
from services.common.errors import AssetError
from services.common.ledger import recordings
from services.common.ledger.claims import Claim
from services.common.ledger.endings import Result
from services.common.models import Asset, SourceVersion
from services.common.spool import Copy, drop_copies, open_spool


def bin_copied_session(claim: Claim) -> Result:
    """Bin a session whose assets were fetched; afterwards its copies go."""
    with transaction() as ledger:
        session = recordings.read_session(ledger, claim.subject)
    with open_spool().opened([_copy(asset) for asset in session.assets]) as paths:
        chunk = make_chunk(
            claim,
            session,
            [CopiedFile(path, asset.path) for path, asset in zip(paths, session.assets, strict=True)],
            check=partial(_require_unchanged, session.source_version, session.assets),
        )
    return Result(
        output=chunk.output,
        record=partial(recordings.record_counts, session_id=session.id, facts=chunk.facts),
        afterwards=partial(drop_copies, session.identity),
    )


def _copy(asset: Asset) -> Copy:
    return Copy(asset.path, asset.local_path or "", asset.sha256 or "")


def _require_unchanged(source: SourceVersion, assets: Sequence[Asset]) -> None:
    """See that files which are read where they lie are still those that were verified."""
    if source.archive != "files":
        return
    for asset in assets:
        if sha256_of(Path(asset.local_path or "")) != asset.sha256:
            raise AssetError(
                f"{asset.path} was changed while it was being read; build again when it is whole."
            )
