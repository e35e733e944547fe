"""The sources of the rodent pile: paths, metadata and tables as their archives have them, only smaller.

Paths are those of real assets, and beside them stand assets of the kinds that a build must leave alone.
Types of the indices and extra columns are taken from published descriptions of the files, and so is what is
known of chunks (ibl); where there are none, the table is as the tool that wrote the files makes it.
"""

from dataclasses import replace

from tests.acceptance.source_layouts.layouts import Beside, Session, SourceLayout, single
from tests.acceptance.source_layouts.probes_form import ProbesForm
from tests.acceptance.source_layouts.rates_form import RatesForm
from tests.acceptance.source_layouts.units_form import UnitsForm

_LFP = ("ElectricalSeries", "LFP")
_OPHYS = ("BehavioralEvents", "PlaneSegmentation")
_MODULE = ("ProcessingModule",)
_MODULE_AND_UNITS = ("ProcessingModule", "Units")
_LARGE = 3 << 20
"""Bytes that a file has beside its spikes, enough to see that nobody fetches them."""

_ALLEN = UnitsForm(
    per_spike=("spike_amplitudes",),
    per_unit=("firing_rate", "isi_violations", "snr"),
    texts=("quality",),
    waveform=(40, 82),
)
_ALLEN_WITH_INT64 = replace(_ALLEN, index_type="int64")
_BUZSAKI = UnitsForm(
    chunk=1000,
    per_unit=("clu_id", "group_id"),
    texts=("cell_type",),
)
_WITH_SIGNAL = UnitsForm(texts=("quality",), silent=(0, 8), signal=_LARGE)
_TRIALS = UnitsForm(per_unit=("posx", "posy"), texts=("cell_type",), waveform=(29,), intervals=60)

_VBN = "sub-506940/sub-506940_ses"
_IBL_OLD = "sub-CSH-ZAD-001/sub-CSH-ZAD-001_ses-3e7ae7c0-fe8b-487c-9354-036236fa1010"
_IBL_OLD_NAME = _IBL_OLD.partition("/")[2]
_IBL_RAW = "sub-NYU-48/sub-NYU-48_ses-c51f34d8-42f6-4c9c-bb5b-669fd9c42cd9-raw-only_ecephys+image"
_IBL = "sub-NYU-11/sub-NYU-11_ses-6713a4a7-faed-4df2-acab-ee4e63326f8d_desc"
_LEMERRE = "sub-708078/sub-708078_ses-708078"
_PETERSEN = "sub-MS10/sub-MS10_ses-Peter-MS10"

_IBL_FORM = UnitsForm(
    signal=_LARGE,
    chunk=500,
    per_spike=("spike_amplitudes", "spike_relative_depths"),
    per_unit=("mean_relative_depth",),
    texts=("probe_name",),
)

RODENT_LAYOUTS = (
    SourceLayout(
        "vbn",
        "000713",
        _ALLEN,
        (single(f"{_VBN}-20200817T222149.nwb"),),
        (
            Beside(f"{_VBN}-20200228T111117_image.nwb", _MODULE),
            Beside(f"{_VBN}-None_probe-1158270876_ecephys.nwb", _LFP),
        ),
        _MODULE_AND_UNITS,
    ),
    SourceLayout(
        "ibl",
        "000409",
        _IBL_FORM,
        (single(f"{_IBL}-processed_behavior+ecephys.nwb"),),
        (Beside(f"{_IBL}-raw_ecephys.nwb", ("ElectricalSeries", "ElectrodeGroup")),),
        ("CompassDirection", "ProcessingModule", "SpatialSeries", "Units"),
    ),
    SourceLayout(
        "ibl-2023",
        "000409",
        _IBL_FORM,
        (single(f"{_IBL_OLD}-processed-only_behavior.nwb"),),
        (
            Beside(
                f"{_IBL_OLD}_behavior+ecephys+image.nwb",
                ("ElectricalSeries", "Units"),
                twin_of=f"{_IBL_OLD}-processed-only_behavior.nwb",
            ),
            Beside(
                f"{_IBL_OLD}-chunking-13653-384_behavior+ecephys.nwb",
                ("ElectricalSeries", "Units"),
                twin_of=f"{_IBL_OLD}-processed-only_behavior.nwb",
            ),
            Beside(f"{_IBL_OLD}_behavior+ecephys+image/{_IBL_OLD_NAME}_OriginalVideoLeftCamera.mp4"),
            Beside(f"{_IBL_RAW}.nwb", ("ElectricalSeries", "ElectrodeGroup")),
        ),
        ("CompassDirection", "ProcessingModule", "SpatialSeries", "Units"),
    ),
    SourceLayout(
        "shield",
        "001051",
        _ALLEN,
        (single("sub-604914/sub-604914_ses-20220427T041046.nwb"),),
        (Beside("sub-607660/sub-607660_ses-None_probe-0_ecephys.nwb", (*_LFP, *_MODULE)),),
        _MODULE_AND_UNITS,
    ),
    SourceLayout(
        "vcn",
        "000021",
        replace(_ALLEN_WITH_INT64, waveform=(384, 120)),
        (single("sub-699733573/sub-699733573_ses-715093703.nwb"),),
        (Beside("sub-699733573/sub-699733573_ses-715093703_probe-810755797_ecephys.nwb", _LFP),),
    ),
    SourceLayout(
        "vcn-2",
        "000022",
        replace(_ALLEN_WITH_INT64, silent=(3,)),
        (single("sub-744912845/sub-744912845_ses-766640955.nwb"),),
        (Beside("sub-744912845/sub-744912845_ses-766640955_probe-773592315_ecephys.nwb", _LFP),),
    ),
    SourceLayout(
        "v2h",
        "000690",
        _ALLEN,
        (single("sub-692072/sub-692072_ses-1298465622.nwb"),),
        (
            Beside(
                "sub-692072/sub-692072_ses-1298465622_image.nwb",
                _MODULE_AND_UNITS,
                twin_of="sub-692072/sub-692072_ses-1298465622.nwb",
            ),
            Beside("sub-692072/sub-692072_ses-1298465622_probe-0_ecephys.nwb", _LFP),
            Beside("sub-717438/sub-717438_ses-1334311030_ecephys.nwb", _LFP),
        ),
        _MODULE_AND_UNITS,
    ),
    SourceLayout(
        "petersen",
        "000059",
        UnitsForm(per_spike=("amplitudes",), texts=("cell_type",)),
        (single(f"{_PETERSEN}-170307-154746-concat_desc-processed_behavior+ecephys.nwb"),),
        (
            Beside(f"{_PETERSEN}-170307-154746-concat_desc-raw_ecephys.nwb", _LFP),
            Beside(
                f"{_PETERSEN}-170311-180956-concat_desc-processed_behavior+ecephys.nwb",
                ("ElectrodeGroup", "Position"),
            ),
        ),
        ("ElectrodeGroup", "Position", "ProcessingModule", "Units"),
    ),
    SourceLayout(
        "oddball",
        "000253",
        _ALLEN,
        (single("sub-621890/sub-621890_ses-1186358749_ogen.nwb"),),
        (Beside("sub-621890/sub-621890_ses-1186358749_probe-1_ecephys.nwb", _LFP),),
        ("OptogeneticSeries", "ProcessingModule", "Units"),
    ),
    SourceLayout(
        "illusion",
        "000248",
        _ALLEN,
        (single("sub-619293/sub-619293_ses-1184980079_ogen.nwb"),),
        (Beside("sub-619296/sub-619296_ses-1187930705_probe-0_ecephys.nwb", _LFP),),
        ("OptogeneticSeries", "ProcessingModule", "Units"),
    ),
    SourceLayout(
        "huszar",
        "000552",
        _BUZSAKI,
        (single("sub-e13-16f1/sub-e13-16f1_ses-e13-16f1-210302_behavior+ecephys.nwb"),),
        (
            Beside("sub-e13-1f1/sub-e13-1f1_ses-e13-1f1-200228_behavior+ecephys.nwb", _MODULE),
            Beside("sub-e13-26m1/sub-e13-26m1_ses-e13-26m1-211019-raw_ecephys.nwb", _LFP),
        ),
        ("ElectrodeGroup", "Position", "ProcessingModule", "SpatialSeries", "Units"),
    ),
    SourceLayout(
        "steinmetz",
        "000017",
        UnitsForm(
            "int64", per_spike=("spike_amps", "spike_depths"), per_unit=("phy_annotations",), waveform=(82, 3)
        ),
        (single("sub-Cori/sub-Cori_ses-20161214T120000.nwb"),),
        variables=("BehavioralEvents", "ProcessingModule", "Units"),
    ),
    SourceLayout(
        "lemerre",
        "001260",
        UnitsForm(chunk=1000, texts=("quality",), silent=(2,), signal=_LARGE),
        (
            Session(
                (f"{_LEMERRE}-20231002-probe0_ecephys.nwb", f"{_LEMERRE}-20231002-probe1_ecephys.nwb"),
                "sub-708078",
                "ses-708078-20231002",
            ),
            Session(
                ("sub-518804-1/sub-518804-1_ses-518804-20220228-probe0_behavior+ecephys.nwb",),
                "sub-518804",
                "ses-518804-20220228",
            ),
            Session(
                ("sub-518804-2/sub-518804-2_ses-518804-20220301-probe0_behavior+ecephys.nwb",),
                "sub-518804",
                "ses-518804-20220301",
            ),
        ),
    ),
    SourceLayout(
        "peyrache",
        "000056",
        _WITH_SIGNAL,
        (single("sub-Mouse12/sub-Mouse12_ses-Mouse12-120806_behavior+ecephys.nwb"),),
        variables=("LFP", "Position", "Units"),
    ),
    SourceLayout(
        "prince",
        "001371",
        replace(_WITH_SIGNAL, per_unit=("Amplitude", "ContamPct", "fr")),
        (single("sub-S34/sub-S34_ses-S34-220620_behavior+ecephys.nwb"),),
        variables=("ElectricalSeries", "LFP", "Units"),
    ),
    SourceLayout(
        "senzai",
        "000166",
        replace(_WITH_SIGNAL, per_spike=("amplitudes", "pc_features")),
        (single("sub-YMV01/sub-YMV01_ses-YMV01-170818_ecephys.nwb"),),
        variables=("ElectrodeGroup", "LFP", "Units"),
    ),
    SourceLayout(
        "finkelstein",
        "000060",
        _TRIALS,
        (single("sub-353936/sub-353936_ses-20170519_behavior+ecephys+ogen.nwb"),),
        variables=("BehavioralEvents", "Units"),
    ),
    SourceLayout(
        "grosmark",
        "000044",
        _WITH_SIGNAL,
        (single("sub-Achilles/sub-Achilles_ses-Achilles-10252013_behavior+ecephys.nwb"),),
        variables=("LFP", "Position", "Units"),
    ),
    SourceLayout(
        "giocomo",
        "000053",
        UnitsForm("uint16", texts=("cell_id",)),
        (
            single("sub-Azalea/sub-Azalea_ses-20190129_behavior.nwb"),
            single("sub-Case/sub-Case_ses-20191109_obj-1aomdb1_behavior.nwb"),
            single("sub-Case/sub-Case_ses-20191109_obj-1dpu7bd_behavior.nwb"),
            single("sub-npI1/sub-npI1_ses-20190415_behavior+ecephys.nwb"),
        ),
        (
            Beside(
                "sub-npI1/sub-npI1_ses-20190415_behavior.nwb",
                ("Position", "ProcessingModule", "SpatialSeries", "Units"),
                twin_of="sub-npI1/sub-npI1_ses-20190415_behavior+ecephys.nwb",
            ),
        ),
        variables=("Position", "ProcessingModule", "SpatialSeries", "Units"),
    ),
    SourceLayout(
        "steinmetz-2",
        "7739750",
        ProbesForm(),
        (
            single("spks/spksKrebs_Feb18.mat", "Krebs"),
            single("spks/spksRobbins_Feb18.mat", "Robbins"),
            single("spks/spksWaksman_Feb18.mat", "Waksman"),
        ),
        (Beside("faces/Krebs_face_proc.mat"), Beside("probeLocations.mat")),
    ),
    SourceLayout(
        "jaramillo",
        "000986",
        UnitsForm(chunk=1000, silent=(4,)),
        (single("sub-LA11/sub-LA11_ses-2_behavior.nwb"),),
    ),
    SourceLayout(
        "mehrotra",
        "000987",
        UnitsForm(texts=("location",)),
        (single("sub-A7801/sub-A7801_ses-20240509T185057_behavior+ecephys.nwb"),),
        variables=("CompassDirection", "ElectrodeGroup", "Position", "SpatialSeries", "Units"),
    ),
    SourceLayout("iurilli", "000931", UnitsForm(units=25), (single("sub-001/sub-001.nwb"),)),
    SourceLayout(
        "gonzalez",
        "000405",
        RatesForm(),
        (
            single("sub-s0/sub-s0_ses-Li-OF-052818.nwb"),
            single("sub-s0/sub-s0_ses-Li-OF-052918.nwb"),
        ),
        variables=(),
    ),
    SourceLayout(
        "li",
        "000010",
        replace(_TRIALS, index_type="int32", id_type="int32"),
        (
            single("sub-210861/sub-210861_ses-20130701_behavior+ecephys+ogen.nwb"),
            single("sub-218453/sub-218453_ses-20131014_behavior+ecephys.nwb"),
        ),
        (
            Beside("sub-217951/sub-217951_ses-20131009_behavior+ophys.nwb", ("PlaneSegmentation",)),
            Beside(
                "sub-216219/sub-216219_ses-20130815_obj-12g09i6_behavior+ophys.nwb", ("PlaneSegmentation",)
            ),
        ),
        ("BehavioralEvents", "BehavioralTimeSeries", "ElectrodeGroup", "Units"),
    ),
    SourceLayout(
        "fujisawa",
        "000067",
        _WITH_SIGNAL,
        (single("sub-EE/sub-EE_ses-EE-049_behavior+ecephys.nwb"),),
        (
            Beside(
                "sub-EE/sub-EE_ses-EE-080_ecephys.nwb",
                (*_LFP, "Units"),
                twin_of="sub-EE/sub-EE_ses-EE-049_behavior+ecephys.nwb",
            ),
            Beside("sub-EE/sub-EE_ses-EE-042_ecephys.nwb", (*_LFP, *_MODULE)),
        ),
        ("LFP", "Units"),
    ),
)
