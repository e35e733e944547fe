"""The recordings of the demo: of realistic size and rates, and odd in the ways that real ones are."""

from services.demo.recordings.recording import Recording

VISUAL = (
    Recording("410001", "2101", units=520, seconds=600, silent=17),
    Recording("410002", "2102", units=250, seconds=360, index_type="int64", unsorted=3, amplitudes=True),
    Recording("410003", "2103", units=180, seconds=300, obs_intervals=True, early=0),
    Recording("410004", "2104", units=150, seconds=300, index_type="int32", clock_start=120),
)
"""A file per session; the last one's clock starts two minutes late."""

VISUAL_DRAFT = Recording("410005", "2105", units=12, seconds=60, index_type="uint16")
"""A session that has not been published."""

PROBES = (
    Recording("A", "day1", units=220, seconds=600, species="rat", probe="A"),
    Recording("A", "day1", units=200, seconds=590, species="rat", probe="B", index_type="int64"),
    Recording("A", "day2", units=170, seconds=400, species="rat", probe="A"),
    Recording("B", "day1", units=90, seconds=400, species="rat", probe="A"),
    Recording("B", "day1", units=100, seconds=400, species="rat", probe="B", silent=99),
)
"""A file per probe: two of the three sessions have two."""

DEPOSIT = (
    Recording("m1", "a", units=240, seconds=900, unsorted=5),
    Recording("m1", "b", units=30, seconds=300, index_type="uint16"),
    Recording("m2", "a", units=75, seconds=300),
    Recording("m2", "b", units=60, seconds=300, index_type="int32", amplitudes=True),
    Recording("m3", "a", units=110, seconds=300, clock_start=60),
    Recording("m4", "a", units=25, seconds=300, index_type="uint16", silent=0),
)
"""A file per session."""
