"""Two more dandisets are added with a few lines of TOML each, and nothing else."""

from pathlib import Path

from spikemill.services.common.catalog import load_catalogue
from tests.acceptance.source_layouts.layouts import Beside, SourceLayout, single
from tests.acceptance.source_layouts.pile import require_counts
from tests.acceptance.source_layouts.serving import served
from tests.acceptance.source_layouts.units_form import UnitsForm

# 000128 keeps the trials to learn from and those to be tested on in two files that hold units. 000947 keeps
# all sorted units in a processing module, and those that its authors trust once more in the units table.
CATALOGUE = """
[pile]
name = "reaching"

[[source]]
name = "mc-maze"
archive = "dandi"
identifier = "000128"
version = "0.220113.0400"
include = ["sub-*/sub-*_desc-train_behavior+ecephys.nwb"]
reader = "nwb-units"
fetch = "stream"
species = "macaque"
license = "CC-BY-4.0"
redistributable = true
citation = "Churchland and Kaufman (2022), MC_Maze, DANDI, doi:10.48324/dandi.000128/0.220113.0400"
expect = { sessions = 1, subjects = 1 }

[[source]]
name = "mptp-reach"
archive = "dandi"
identifier = "000947"
version = "0.240510.2211"
include = ["sub-*/sub-*_ses-*_ecephys.nwb"]
reader = "nwb-units"
reader_options = { table = "processing/ecephys/units" }
fetch = "stream"
species = "macaque"
license = "CC-BY-4.0"
redistributable = true
citation = "Kase et al. (2024), Reach-related activity, DANDI, doi:10.48324/dandi.000947/0.240510.2211"
expect = { sessions = 2, subjects = 2 }
"""

MC_MAZE = "sub-Jenkins/sub-Jenkins_ses-full_desc"
LAYOUTS = (
    SourceLayout(
        "mc-maze",
        "000128",
        UnitsForm(per_unit=("heldout",), intervals=40, units=18),
        (single(f"{MC_MAZE}-train_behavior+ecephys.nwb"),),
        (
            Beside(
                f"{MC_MAZE}-test_ecephys.nwb",
                ("ProcessingModule", "Units"),
                twin_of=f"{MC_MAZE}-train_behavior+ecephys.nwb",
            ),
        ),
        ("ProcessingModule", "Units"),
    ),
    SourceLayout(
        "mptp-reach",
        "000947",
        UnitsForm("uint16", texts=("unit_name",), place="processing/ecephys/units", curated=1, units=3),
        (
            single("sub-Gaia/sub-Gaia_ses-post-MPTP-G-150303-1_ecephys.nwb"),
            single("sub-Isis/sub-Isis_ses-pre-MPTP-I-160708-2_ecephys.nwb"),
        ),
        variables=("ElectricalSeries", "ElectrodeGroup", "ProcessingModule", "Units"),
    ),
)


def test_two_dandisets_are_added_by_toml_alone(open_folder: Path, tmp_path: Path) -> None:
    catalogue = open_folder / "reaching.toml"
    catalogue.write_text(CATALOGUE)
    with served(LAYOUTS, load_catalogue(catalogue), tmp_path) as archive:
        place = archive.place(open_folder / "reaching", catalogue)
        finished = place.build("--workers", "1")
        assert (finished.returncode, finished.stderr) == (0, ""), finished
        require_counts(place.home.pile, LAYOUTS)
        assert archive.asked_beside() == []
