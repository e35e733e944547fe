"""The ledger's tables: facts that people ask for, and work that is to be done."""

from services.common.models.base import Model
from services.common.models.builds import Build, BuildSource, Release, Shard, ShardRow
from services.common.models.recordings import Asset, Row, Session, SourceVersion
from services.common.models.shared import LedgerMark, RequestSlot
from services.common.models.work import Attempt, Job, JobDependency

__all__ = [
    "Asset",
    "Attempt",
    "Build",
    "BuildSource",
    "Job",
    "JobDependency",
    "LedgerMark",
    "Model",
    "Release",
    "RequestSlot",
    "Row",
    "Session",
    "Shard",
    "ShardRow",
    "SourceVersion",
]
