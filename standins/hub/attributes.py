"""Which files git does not hold itself: a repository begins with .gitattributes that say so."""

from collections.abc import Iterator
from fnmatch import fnmatch

NAME = ".gitattributes"
REGULAR_LIMIT = 10 << 20
"""Files above this size are large, whatever they are."""
_LARGE = (
    *("*.7z", "*.arrow", "*.avro", "*.bin", "*.bz2", "*.gz", "*.h5", "*.lz4", "*.npy", "*.npz", "*.parquet"),
    *("*.pickle", "*.pkl", "*.pt", "*.safetensors", "*.tar", "*.tgz", "*.xz", "*.zip", "*.zst"),
    *("*.flac", "*.mp3", "*.wav", "*.bmp", "*.gif", "*.jpeg", "*.jpg", "*.png", "*.tiff", "*.webp", "*.mp4"),
)


def first_attributes() -> bytes:
    """Return the attributes of a new repository."""
    return "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in _LARGE).encode()


def is_large(path: str, size: int, sample: bytes, attributes: bytes) -> bool:
    """Tell whether a file is to be uploaded apart: by its name, its size, or because it is no text."""
    name = path.rpartition("/")[2]
    named = any(fnmatch(path, pattern) or fnmatch(name, pattern) for pattern in _patterns(attributes))
    return size > 0 and (named or size > REGULAR_LIMIT or b"\0" in sample)


def _patterns(attributes: bytes) -> Iterator[str]:
    for line in attributes.decode(errors="replace").splitlines():
        pattern, *told = line.split() or [""]
        if "filter=lfs" in told:
            yield pattern
