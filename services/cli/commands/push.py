"""`spikemill push`: a pile that stands, to the Hugging Face hub."""

from typing import Annotated

import typer

from services.cli import arguments
from services.common.hub_target import Transfer

Repository = Annotated[
    str,
    typer.Argument(
        metavar="REPO", help="The dataset on the hub, as organisation/name or user/name; made if missing."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
With = Annotated[
    Transfer | None,
    typer.Option("--with", help="How shards travel (or SPIKEMILL_PUSH_WITH): lfs if not given."),
]


def push(
    pile: arguments.Pile,
    repository: Repository,
    *,
    public: arguments.Public = None,
    revision: arguments.Revision = None,
    dry_run: DryRun = False,
    transfer: With = None,
) -> None:
    """Publish a pile on the Hugging Face hub.

    Shards that the hub has are not sent again, and one commit makes the dataset this pile. It may be
    interrupted and run again. The token is that of `hf auth login`, HF_TOKEN or HF_TOKEN_PATH.
    """
    from services.cli.printing import complain, output
    from services.cli.pushing.ledger_note import note_in_ledger
    from services.cli.pushing.named_pile import named_pile
    from services.cli.pushing.progress import push_progress
    from services.cli.pushing.report import going_on_told, preview_lines, pushed_lines
    from services.cli.pushing.target import named_target
    from services.common.errors import readable
    from services.common.hub_target import require_redistributable
    from services.common.settings import settings
    from services.merger import hub

    target, console = named_target(repository, public=public, revision=revision), output()
    found = named_pile(pile)
    record = found.files.provenance.pile
    require_redistributable(record.sources)
    if dry_run:
        difference = hub.preview(found.files, target)
        for line in preview_lines(difference, target, has_token=hub.has_token(target)):
            console.print(line)
        return
    with going_on_told(), push_progress(console, len(record.shards)) as progress:
        pushed = hub.push(found.files, target, transfer=transfer or settings().push_with, progress=progress)
    for line in pushed_lines(pushed, target):
        console.print(line)
    try:
        note_in_ledger(found, target, pushed.commit)
    except Exception as error:
        complain(f"It is pushed, but its ledger could not be told: {readable(error)}")
