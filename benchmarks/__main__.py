"""Runs every benchmark whose table stands in docs/measurements.md."""

from benchmarks import counting, encodings, memory, merging, streaming, sweeper, whole_file


def main() -> None:
    """Print one table after the other; it takes some minutes."""
    for benchmark in (counting, encodings, whole_file, streaming, merging, memory, sweeper):
        benchmark.main()


if __name__ == "__main__":
    main()
