"""What a release adds to its rows: seed, split and the limits of a shard."""

from pydantic import BaseModel, ConfigDict, Field

from services.common.identity import SplitBy


class MergeParameters(BaseModel):
    """How rows become a pile; together with the rows it decides every byte."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seed: int = Field(0, description="Shuffles the rows and decides the split.")
    split_by: SplitBy = Field("session", description="What is never divided between train and test.")
    test_fraction: float = Field(0.01, ge=0, lt=1, description="The part of the groups to test on.")
    shard_bytes: int = Field(500_000_000, gt=0, description="Column pages after which a shard closes.")
    shard_tokens: int = Field(1_000_000_000, gt=0, description="Tokens after which a shard closes.")
