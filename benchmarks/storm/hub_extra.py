"""The hub's extra configuration in a storm: it changes nothing, but watches the event loop."""

import os
from pathlib import Path

from benchmarks.storm.loop_watch import LoopWatch

LoopWatch(Path(os.environ["CLOUDJHUB_STORM_LOOP"])).begin()
