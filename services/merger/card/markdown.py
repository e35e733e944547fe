"""Pieces of Markdown, whatever a catalogue's texts hold."""

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; no cell ends it or opens another."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def one_line(text: str) -> str:
    """Return the text with every run of white space as one blank."""
    return " ".join(text.split())


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which gets an s where it is not one."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")
