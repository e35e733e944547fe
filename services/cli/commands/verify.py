"""`spikemill verify`: whether a pile on disk is what its provenance says."""

from services.cli import arguments
from services.common.errors import DamagedOutputError


def verify(pile: arguments.Pile) -> None:
    """Check a pile against its provenance.

    Every file is read: schema, digests, row counts, order, split and tokens. Where all is in order, the first
    and the last rows of each split are also loaded with `datasets`, as the pile's readers will load them.
    """
    from services.cli.pile_here import pile_here
    from services.cli.printing import output
    from services.cli.rebuilding.recipe import read_pile_provenance
    from services.cli.wording import count
    from services.merger.pile_digest import pile_digest
    from services.merger.verify import verify_pile

    console, findings = output(), 0
    with pile_here(pile) as folder:
        for finding in verify_pile(folder):
            console.print(str(finding))
            findings += 1
        if findings:
            raise DamagedOutputError(f"{pile}: {count(findings, 'finding')}; do not use it, build it again.")
        split, sha256 = read_pile_provenance(folder).pile.split, pile_digest(folder)
    rows, tokens = split.train_rows + split.test_rows, split.train_tokens + split.test_tokens
    console.print(f"{pile} is whole: {count(rows, 'row')}, {count(tokens, 'token')}, sha256 {sha256}")
