"""Where a person wants a pile on the hub: what the call says, else the settings."""

from services.common.errors import CallError
from services.common.hub_target import HubTarget, hub_target
from services.common.settings import settings


def named_target(repository: str, *, public: bool | None, revision: str | None) -> HubTarget:
    """Return the target that a call names; what is None was not given."""
    usual = settings()
    is_public = usual.push_public if public is None else public
    return hub_target(repository, revision=revision or usual.push_revision, private=not is_public)


def wanted_target(push: str | None, *, public: bool | None, revision: str | None) -> HubTarget | None:
    """Return where a build is to be pushed to, if anywhere; raises `CallError` for half of a wish."""
    repository = push or settings().push_to
    if repository is not None:
        return named_target(repository, public=public, revision=revision)
    if public is not None or revision is not None:
        raise CallError("--public, --private and --revision say how to push; name a dataset with --push.")
    return None
