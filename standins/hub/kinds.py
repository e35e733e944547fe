"""The kinds of requests that a hub gets."""

from enum import StrEnum


class Kind(StrEnum):
    """Each kind of request, as the pattern that finds it: for faults, and for what was asked."""

    CREATE = "^/api/repos/create"
    VALIDATE = "^/api/validate-yaml"
    PREUPLOAD = "^/api/datasets/[^/]+/[^/]+/preupload/"
    BATCH = r"\.git/info/lfs/objects/batch"
    UPLOAD = "^/lfs/[^/]+/[^/]+/upload/"
    PART = "^/lfs/[^/]+/[^/]+/part/"
    COMPLETE = "^/lfs/[^/]+/[^/]+/complete/"
    VERIFY = "^/lfs/[^/]+/[^/]+/verify"
    XET_ACCESS = "^/api/datasets/[^/]+/[^/]+/xet-(read|write)-token/"
    COMMIT = "^/api/datasets/[^/]+/[^/]+/commit/"
    INFO = r"^/api/datasets/[^/]+/[^/]+(/revision/[^?]+)?(\?|$)"
    REFS = "^/api/datasets/[^/]+/[^/]+/refs"
    BRANCH = "^/api/datasets/[^/]+/[^/]+/branch/"
    TAG = "^/api/datasets/[^/]+/[^/]+/tag/"
    TREE = "^/api/datasets/[^/]+/[^/]+/tree/"
    RESOLVE = "^/datasets/[^/]+/[^/]+/resolve/"
