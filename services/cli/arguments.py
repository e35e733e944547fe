"""The arguments and options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

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
