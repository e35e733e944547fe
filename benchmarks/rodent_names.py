"""What the archives hold of those rodent sources of which no listing was taken.

The number of files, their bytes in all and the form of their names are known. A name that is not is made up,
and the bytes are divided evenly.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import product

from spikemill.services.cli.made_up import fixed_uuid
from standins.archive.content import ArchiveFile, Digests, ListedContent

_UNITS = ("ProcessingModule", "Units")
_FIELDS = ("ElectricalSeries", "LFP")
_BEHAVIOUR = ("ProcessingModule",)
_VIDEO = ()
# Mouse and day of recording, with the probes whose files are there.
_LEMERRE = {
    "01": """PL027-20190511 PL028-20190517 PL030-20190518 PL031-20190524 PL032-20190524 PL051-20191121
        PL055-20200302 PL056-20200303 PL057-20200203 PL064-20200422 PL079-20230621 PL080-20230621
        PL080-20230622 PL081-20230620 PL081-20230621 PL082-20230911 PL082-20230912 PL084-20231220
        PL086-20231222 PL066-20200514 708078-20231002 732714-20230829""",
    "012": "PL062-20200420",
    "1": "PL063-20200421 732713-20230831",
    "0": """242820-20200526 249939-20200611 249940-20200610 250252-20200609 250253-20200609 250256-20200610
        534133-20220302 560169-20220506 708078-20231003 711179-20230907 732713-20230828 732713-20230830
        PL026-20190430 PL053-20191122 PL054-20191122 PL070-20200616 PL071-20200616 PL076-20230408
        PL077-20230407 PL078-20230408 PL079-20230620""",
}
_LEMERRE_TWICE = ("518804-1_20220228", "518804-2_20220301", "560171-1_20220504", "560171-2_20220505")
_SENZAI = """01-170818 02-170815 03-170818 04-170907 05-170912 06-170913 07-170914 08-170922 09-171204
    10-171213 11-171208 12-171211 13-180127 14-180128 15-180205 16-180206 17-180207 18-180208 19-180209"""
_GROSMARK = """Achilles-10252013 Achilles-11012013 Buddy-06272013 Cicero-09012014 Cicero-09102014
    Cicero-09172014 Gatsby-08022013 Gatsby-08282013"""
_JARAMILLO = {"LA11": "1234", "LA12": "1234", "LA3": "3", "LA8": "12", "LA9": "1345"}


def vbn() -> list[ArchiveFile]:
    """153 sessions of 81 mice beside 3,271 sessions of behaviour alone and the fields of 869 probes."""
    mice = [f"sub-{506940 + number}" for number in range(81)]
    sessions = [f"{mouse}/{mouse}_ses-20200817T222149.nwb" for mouse in mice]
    sessions += [f"{mouse}/{mouse}_ses-20200818T230819.nwb" for mouse in mice[:72]]
    days = ((mice[number % 81], 20200228 + number // 81) for number in range(3271))
    training = [f"{mouse}/{mouse}_ses-{day}T111117_image.nwb" for mouse, day in days]
    probes = ((mice[number % 81], 1158270000 + number) for number in range(869))
    fields = [f"{mouse}/{mouse}_ses-None_probe-{probe}_ecephys.nwb" for mouse, probe in probes]
    return [
        *_files(sessions, 419_900_000_000, _UNITS),
        *_files(training, 541_156_388_409, _BEHAVIOUR),
        *_files(fields, 3_800_000_000_000, _FIELDS),
    ]


def ibl() -> list[ArchiveFile]:
    """459 sessions of 139 mice, each with a processed and a raw file, beside 1,130 videos."""
    ids = [fixed_uuid("session", str(number)) for number in range(459)]
    sessions = [f"sub-NYU-{number % 139}_ses-{session}" for number, session in enumerate(ids)]
    stems = [f"{session.partition('_')[0]}/{session}" for session in sessions]
    videos = [
        f"{stem}_ecephys+image/{stem.partition('/')[2]}_Video{camera}Camera.mp4"
        for camera, stem in product(("Left", "Right", "Body"), stems)
    ]
    return [
        *_files([f"{stem}_desc-processed_behavior+ecephys.nwb" for stem in stems], 500_000_000_000, _UNITS),
        *_files([f"{stem}_desc-raw_ecephys.nwb" for stem in stems], 45_000_000_000_000, (*_UNITS, *_FIELDS)),
        *_files(videos[:1130], 4_200_000_000_000, _VIDEO),
    ]


def oddball() -> list[ArchiveFile]:
    """14 sessions of 14 mice, each beside the fields of six probes."""
    stems = [f"sub-{621890 + n}/sub-{621890 + n}_ses-{1186358749 + n}" for n in range(14)]
    fields = [f"{stem}_probe-{probe}_ecephys.nwb" for stem, probe in product(stems, range(6))]
    return [
        *_files([f"{stem}_ogen.nwb" for stem in stems], 33_600_000_000, _UNITS),
        *_files(fields, 646_153_396_585, _FIELDS),
    ]


def lemerre() -> list[ArchiveFile]:
    """74 files, one per probe; two mice have two folders each."""
    paths = [
        f"sub-{session.partition('-')[0]}/sub-{session.partition('-')[0]}_ses-{session}-probe{probe}_ecephys.nwb"
        for probes, sessions in _LEMERRE.items()
        for session, probe in product(sessions.split(), probes)
    ]
    for folder, _, day in (text.partition("_") for text in _LEMERRE_TWICE):
        session = f"ses-{folder[:-2]}-{day}-probe0"
        paths.append(f"sub-{folder}/sub-{folder}_{session}_behavior+ecephys.nwb")
    return list(_files(paths, 220_907_883_714, _UNITS))


def prince() -> list[ArchiveFile]:
    """66 sessions of 7 mice."""
    days = [(f"S{17 + number % 7}", 210407 + number // 7) for number in range(66)]
    paths = [f"sub-{mouse}/sub-{mouse}_ses-{mouse}-{day}_behavior+ecephys.nwb" for mouse, day in days]
    return list(_files(paths, 14_536_769_171_479, (*_UNITS, *_FIELDS)))


def senzai() -> list[ArchiveFile]:
    """19 sessions of 19 mice."""
    paths = [f"sub-YMV{name[:2]}/sub-YMV{name[:2]}_ses-YMV{name}_ecephys.nwb" for name in _SENZAI.split()]
    return list(_files(paths, 787_191_910_918, (*_UNITS, *_FIELDS)))


def grosmark() -> list[ArchiveFile]:
    """8 sessions of 4 rats."""
    rats = [(name.partition("-")[0], name) for name in _GROSMARK.split()]
    paths = [f"sub-{rat}/sub-{rat}_ses-{name}_behavior+ecephys.nwb" for rat, name in rats]
    return list(_files(paths, 65_708_919_583, (*_UNITS, *_FIELDS)))


def jaramillo() -> list[ArchiveFile]:
    """15 sessions of 5 mice."""
    paths = [
        f"sub-{mouse}/sub-{mouse}_ses-{session}_behavior.nwb"
        for mouse, sessions in _JARAMILLO.items()
        for session in sessions
    ]
    return list(_files(paths, 3_934_384_704, _UNITS))


def steinmetz_2() -> list[ArchiveFile]:
    """Three files of spikes beside three of the faces and one of places; no size is known."""
    names = ("Krebs", "Waksman", "Robbins")
    return [
        *_files([f"spks{name}_Feb18.mat" for name in names], 1_500_000_000, _UNITS),
        *_files([f"{name}_face_proc.mat" for name in names], 3_000_000_000, _VIDEO),
        *_files(["probeLocations.mat"], 1_000_000, _BEHAVIOUR),
    ]


def _files(paths: Sequence[str], size: int, variables: Sequence[str]) -> Iterator[ArchiveFile]:
    """Yield files that have so many bytes in all."""
    for number, path in enumerate(paths):
        share = size // len(paths) + (size % len(paths) if number == 0 else 0)
        yield ArchiveFile(path, ListedContent(share, _digests(path)), variables)


def _digests(path: str) -> Digests:
    md5 = hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()
    return Digests(md5, hashlib.sha256(path.encode()).hexdigest(), f"{md5}-1")
