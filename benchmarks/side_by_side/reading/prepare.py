"""`python -m side_by_side.reading.prepare READER WORK.json`: convert the views to its format.

What a conversion needs besides its output lies beside it, as `READER.WHAT`, and goes afterwards.
"""

from __future__ import annotations

import importlib
import shutil
import sys

from side_by_side.readers import READERS
from side_by_side.reading.work import load_work

if __name__ == "__main__":
    name, work_file = sys.argv[1:]
    reader, work = READERS[name], load_work(work_file)
    output = work.converted(name)
    output.parent.mkdir(parents=True, exist_ok=True)
    importlib.import_module(reader.module).convert(work, reader.variant, output)
    for needless in output.parent.glob(f"{name}.*"):
        shutil.rmtree(needless)
