"""Answers of an API, checked against the form that we rely on."""

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from services.common.errors import AssetError

_T = TypeVar("_T")


def checked(answer: Any, form: TypeAdapter[_T], address: str) -> _T:
    """Return the answer as its form; raises `AssetError` that names the first place where it differs."""
    try:
        return form.validate_python(answer)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the answer"
        raise AssetError(f"{address} is not what its API documents: {place}: {problem['msg']}.") from error
