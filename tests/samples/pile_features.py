"""What `datasets` finds in every pile."""

import datasets

FEATURES = datasets.Features(
    {
        "spike_counts": datasets.List(datasets.List(datasets.Value("uint8"))),
        "subject_id": datasets.Value("string"),
        "session_id": datasets.Value("string"),
        "segment_id": datasets.Value("string"),
        "source_dataset": datasets.Value("string"),
    }
)
