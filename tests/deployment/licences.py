"""What licence a package states, and whether we ship or install what is under it."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PERMISSIVE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSD-Attribution-HPND-disclaimer",
        "CC0-1.0",
        "FTL",
        "HPND",
        "IJG",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MIT-Modern-Variant",
        "OLDAP-2.8",
        "PSF-2.0",
        "PostgreSQL",
        "Unlicense",
        "X11",
        "Zlib",
        "libpng-2.0",
        "libtiff",
    }
)
# They ask for their own source only; what uses them may be under any licence.
WEAK_COPYLEFT = frozenset(
    {
        "GPL-3.0-or-later WITH GCC-exception-3.1",
        "LGPL-2.1-or-later",
        "LGPL-3.0-only",
        "MPL-2.0",
    }
)
ALLOWED = PERMISSIVE | WEAK_COPYLEFT
CLASSIFIERS = frozenset(
    {
        "Apache Software License",
        "BSD License",
        "ISC License (ISCL)",
        "MIT License",
        "Mozilla Public License 2.0 (MPL 2.0)",
        "Public Domain",
        "Python Software Foundation License",
        "The Unlicense (Unlicense)",
    }
)
# Packages that say it in words of their own; somebody has read their licence.
READ_BY_HAND = {
    "ply": "its field says only BSD; its files have the three clauses",
}
# The libraries that wheels bring along, by the licences of their projects.
LIBRARIES = {
    "Apache-2.0": "libcrypto libssl",
    "BSD-2-Clause": "libaec libavif libopenjp2 libsz",
    "BSD-3-Clause": "libcrc32c libhdf5 libhdf5_hl libscipy_openblas libscipy_openblas64_ libsharpyuv libwebp "
    "libwebpdemux libwebpmux libzstd",
    "BSD-Attribution-HPND-disclaimer": "libsasl2",
    "0BSD": "liblzma",
    "FTL": "libfreetype",
    "GPL-3.0-or-later": "libreadline",
    "GPL-3.0-or-later WITH GCC-exception-3.1": "libgfortran",
    "IJG AND BSD-3-Clause AND Zlib": "libjpeg",
    "ISC": "libyajl",
    "LGPL-2.1-or-later": "libcrypt libkeyutils libquadmath",
    "MIT": "libbrotlicommon libbrotlidec libcom_err libgssapi_krb5 libk5crypto libkrb5 libkrb5support "
    "liblcms2",
    "MIT-Modern-Variant": "libharfbuzz",
    "OLDAP-2.8": "liblber libldap",
    "PostgreSQL": "libecpg libpgtypes libpq",
    "X11": "libXau libtinfo libxcb",
    "libpng-2.0": "libpng16",
    "libtiff": "libtiff",
}
_LICENCE_OF = {library: licence for licence, names in LIBRARIES.items() for library in names.split()}


def stated(package: Distribution) -> str:
    """Return what a package says of its licence: the expression, else the classifiers, else the field."""
    expression, classifiers = _said(package, "License-Expression"), _classifiers(package)
    if expression:
        return expression[0]
    return ", ".join(classifiers or _said(package, "License") or ["nothing"])


def is_allowed(package: Distribution) -> bool:
    """Tell whether a package may be shipped; one that says it in words of its own must be read by hand."""
    if canonicalize_name(package.name) in READ_BY_HAND:
        return True
    classifiers = [] if _said(package, "License-Expression") else _classifiers(package)
    # Several classifiers may mean a choice or a sum: only if all will do is it surely allowed.
    return set(classifiers) <= CLASSIFIERS if classifiers else expression_is_allowed(stated(package))


def expression_is_allowed(expression: str) -> bool:
    """Tell whether an SPDX expression leaves a choice that is allowed."""
    while inner := re.search(r"\(([^()]*)\)", expression):
        verdict = "MIT" if expression_is_allowed(inner[1]) else "refused"
        expression = expression[: inner.start()] + verdict + expression[inner.end() :]
    return any(
        all(part.strip() in ALLOWED for part in choice.split(" AND ")) for choice in expression.split(" OR ")
    )


def libraries_of(package: Distribution) -> set[str]:
    """Return the names of the shared libraries that its wheel brings along."""
    return {file.name.partition("-")[0] for file in package.files or () if file.parent.name.endswith(".libs")}


def refused_libraries(package: Distribution) -> dict[str, str]:
    """Return the libraries of a wheel that are under no allowed licence, or that nobody has named."""
    licences = {library: _LICENCE_OF.get(library, "not named") for library in libraries_of(package)}
    return {library: said for library, said in licences.items() if not expression_is_allowed(said)}


def installed_with(name: str, overrides: Iterable[str]) -> Iterator[Distribution]:
    """Yield what is installed with a package: itself and all that it needs, as the lock overrides it."""
    instead = {canonicalize_name(each.name): each for each in map(Requirement, overrides)}
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset())]
    seen = set()
    while waiting:
        entry = waiting.pop()
        if entry in seen:
            continue
        seen.add(entry)
        package = distribution(entry[0])
        yield package
        for requirement in map(Requirement, package.requires or ()):
            marker, needed = requirement.marker, canonicalize_name(requirement.name)
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *entry[1])):
                waiting.append((needed, frozenset(instead.get(needed, requirement).extras)))


def _classifiers(package: Distribution) -> list[str]:
    """Return the licences among the classifiers; `OSI Approved` alone names none."""
    found = [each.split(" :: ") for each in _said(package, "Classifier") if each.startswith("License :: ")]
    return [parts[-1] for parts in found if parts != ["License", "OSI Approved"]]


def _said(package: Distribution, field: str) -> list[str]:
    return [str(value) for value in package.metadata.get_all(field) or []]
