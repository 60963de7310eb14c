"""`python -m side_by_side.run_peer PEER WORK.json`: one peer does the work in this process."""

from __future__ import annotations

import importlib
import sys

from side_by_side.peers import PEERS
from side_by_side.work import read_work

if __name__ == "__main__":
    importlib.import_module(PEERS[sys.argv[1]].module).expand(read_work(sys.argv[2]))
