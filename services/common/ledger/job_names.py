"""What jobs are about, in the names that people know them by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction


@dataclass(frozen=True, slots=True)
class JobNames:
    """What a job is about, as far as it has it; the session is written as `spikemill waive` takes it."""

    build: int | None
    pile: str | None
    source: str | None
    session: str | None
    file: str | None
    repository: str | None

    def __str__(self) -> str:
        """Return the names from the whole to the part; a file's path mostly says its session."""
        if self.repository:
            return f"{self.pile} → {self.repository}"
        return " · ".join(filter(None, (self.source or self.pile, self.file or self._session_in_source())))

    def _session_in_source(self) -> str | None:
        return self.session and self.session.removeprefix(f"{self.source}/")


# Of several builds that a source is part of, people mean the open one, and then the newest.
_NAMES = text("""
    SELECT
        job.id, build.id AS build, build.pile, source.name AS source,
        CASE WHEN session.id IS NOT NULL
            THEN concat_ws('/', source.name, session.subject_id, session.session_id) END AS session,
        coalesce(asset.path, shard.name) AS file,
        CASE WHEN job.kind = 'publish' THEN release.hub_repository END AS repository
    FROM jobs AS job
    LEFT JOIN assets AS asset ON asset.id = job.asset_id
    LEFT JOIN sessions AS session ON session.id = coalesce(job.session_id, asset.session_id)
    LEFT JOIN source_versions AS source
        ON source.id = coalesce(job.source_version_id, session.source_version_id)
    LEFT JOIN shards AS shard ON shard.id = job.shard_id
    LEFT JOIN releases AS release ON release.id = coalesce(job.release_id, shard.release_id)
    LEFT JOIN LATERAL (
        SELECT candidate.id, candidate.pile FROM builds AS candidate
        WHERE candidate.id = release.build_id OR EXISTS (
            SELECT FROM build_sources AS part
            WHERE part.build_id = candidate.id AND part.source_version_id = source.id
        )
        ORDER BY candidate.state = 'open' DESC, candidate.id DESC LIMIT 1
    ) AS build ON true
    WHERE job.id = ANY (:jobs)
""")


def names_of(transaction: Transaction, jobs: Sequence[int]) -> Mapping[int, JobNames]:
    """Return what each of the jobs is about."""
    found = transaction.execute(_NAMES, {"jobs": list(jobs)}).mappings()
    return {row["id"]: JobNames(**{name: row[name] for name in JobNames.__slots__}) for row in found}
