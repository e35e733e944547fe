"""The arguments and options that several commands share, and the push that some of them ask for."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spikemill.services.common.errors import CallError

if TYPE_CHECKING:
    from spikemill.services.common.hub_target import HubTarget

DEFAULT_HOME = Path("var")
DEFAULT_WORKERS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""How many processors this process may use."""

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="SOURCE", help="Only these sources of the catalogue.", show_default=False),
]
Catalog = Annotated[
    str | None,
    typer.Option(
        metavar="C",
        help="The catalogue: a path, or the name of one that comes with spikemill (or SPIKEMILL_CATALOG).",
    ),
]
HomeFolder = Annotated[
    Path, typer.Option("--home", metavar="DIR", help="The folder of pile, chunks, ledger and logs.")
]
Workers = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Sessions binned at once, and as many streamed."),
]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Only the first N sessions of each source.")
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Make the pile without the sessions that fail.")
]
Push = Annotated[
    str | None,
    typer.Option(
        metavar="REPO",
        help="Push the pile to this dataset of the Hugging Face hub, as organisation/name "
        "or user/name (or SPIKEMILL_PUSH_TO).",
    ),
]
Public = Annotated[
    bool | None,
    typer.Option(
        "--public/--private",
        help="Whether the dataset is public if the push makes it; private if not given "
        "(or SPIKEMILL_PUSH_PUBLIC).",
        show_default=False,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(
        metavar="BRANCH", help="The branch to push to; main if not given (or SPIKEMILL_PUSH_REVISION)."
    ),
]
Pile = Annotated[
    str,
    typer.Argument(
        metavar="PILE",
        help="The folder that holds provenance.jsonl; a store or a pile at s3://bucket/prefix.",
    ),
]


def named_target(repository: str, *, public: bool | None, revision: str | None) -> "HubTarget":
    """Return the target that a call names; what is None was not given."""
    from spikemill.services.common.hub_target import hub_target
    from spikemill.services.common.settings import settings

    usual = settings()
    is_public = usual.push_public if public is None else public
    return hub_target(repository, revision=revision or usual.push_revision, private=not is_public)


def wanted_target(push: str | None, *, public: bool | None, revision: str | None) -> "HubTarget | None":
    """Return where a build is to be pushed to, if anywhere; raises `CallError` where no dataset is named."""
    from spikemill.services.common.settings import settings

    repository = push or settings().push_to
    if repository is not None:
        return named_target(repository, public=public, revision=revision)
    if public is not None or revision is not None:
        raise CallError("--public, --private and --revision say how to push; name a dataset with --push.")
    return None
