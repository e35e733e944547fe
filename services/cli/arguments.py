"""The arguments and options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from spikemill.services.common.types import SplitBy

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
Seed = Annotated[
    int | None, typer.Option(metavar="N", help="Shuffles the rows and decides the split; 0 if not given.")
]
Split = Annotated[
    SplitBy | None,
    typer.Option("--split-by", help="What is never divided between train and test; session if not given."),
]
TestFraction = Annotated[
    float | None,
    typer.Option(min=0, max=1, metavar="F", help="The part of the groups to test on; 0.01 if not given."),
]
ShardBytes = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="A shard closes at so many bytes; 500000000 if not given."),
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Make the pile without the sessions that fail.")
]
GiveUpAfter = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="How long an archive or the hub may be away: 30m, 6h; 2d if not given."
    ),
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
