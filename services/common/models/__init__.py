"""The ledger's tables: facts that people ask for, and work that is to be done."""

from spikemill.services.common.models.base import LedgerMark, Model, RequestSlot
from spikemill.services.common.models.builds import Build, BuildSource, Release, Shard, ShardRow
from spikemill.services.common.models.jobs import Attempt, Job, JobDependency
from spikemill.services.common.models.recordings import Asset, Row, Session, SourceVersion

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
