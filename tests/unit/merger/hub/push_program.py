"""A publisher in a process of its own, to be killed: `push_program.py PILE ENDPOINT REPOSITORY TRANSFER`."""

import sys
from pathlib import Path

from spikemill.services.common.hub_target import HubTarget, Transfer
from spikemill.services.merger.hub.push import push
from spikemill.services.merger.provenance import pile_in_folder

if __name__ == "__main__":
    pile, endpoint, repository, transfer = sys.argv[1:]
    push(pile_in_folder(Path(pile)), HubTarget(repository, endpoint=endpoint), transfer=Transfer(transfer))
