"""The hub's extra configuration in a storm: nothing of it changes, but its event loop is watched."""

import os
from pathlib import Path

from benchmarks.storm.loop_watch import LoopWatch

LoopWatch(Path(os.environ["CLOUDJHUB_STORM_LOOP"])).begin()
