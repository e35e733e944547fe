"""The metadata that a dataset's card begins with, looked at as the hub does before it takes a commit."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import yaml

from services.demo.hub.documents import Card, read_document
from services.demo.hub.hub import Named
from services.demo.wire.messages import Answer, Request, json_answer

_HEAD = re.compile(r"\A\s*---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_LISTS = ("tags", "size_categories", "task_categories", "configs")
_SIZES = frozenset(
    (
        *("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B"),
        *("1B<n<10B", "10B<n<100B", "100B<n<1T", "n>1T"),
    )
)


def validate(request: Request, _: Named) -> Answer:
    """Answer what is wrong with the metadata of a card."""
    head = _HEAD.match(read_document(request, Card).content)
    if head is None:
        return _answer([], ["empty or missing yaml metadata in repo card"])
    try:
        metadata = yaml.safe_load(head["yaml"])
    except yaml.YAMLError as error:
        return _answer([f"YAML Metadata Error: {error}"], [])
    return _answer(list(_mistakes(metadata)), [])


def _answer(errors: list[str], warnings: list[str]) -> Answer:
    told = {"errors": errors, "warnings": warnings}
    listed = {kind: [{"message": text} for text in texts] for kind, texts in told.items()}
    return json_answer(listed, HTTPStatus.BAD_REQUEST if errors else HTTPStatus.OK)


def _mistakes(metadata: Any) -> Iterator[str]:
    """Yield what the hub would not take."""
    if not isinstance(metadata, Mapping):
        yield "The metadata must be a mapping"
        return
    for name in _LISTS:
        if not isinstance(metadata.get(name, []), list):
            yield f'"{name}" must be an array'
    if not isinstance(metadata.get("license", ""), str | list):
        yield '"license" must be a string or an array'
    if not isinstance(metadata.get("pretty_name", ""), str):
        yield '"pretty_name" must be a string'
    for size in metadata.get("size_categories") or ():
        if str(size) not in _SIZES:
            yield f'"size_categories" has no category {size}'
    for config in metadata.get("configs") or ():
        if not (isinstance(config, Mapping) and isinstance(config.get("config_name"), str)):
            yield '"configs" needs a "config_name" in each'
