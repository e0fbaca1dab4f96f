"""Settings, state paths and the lake: what every folder of the project may import."""

import os

# By default the threads of GNU's OpenMP, by which LightGBM works, wait for each other in busy loops
# of milliseconds: next to other work on all cores, trees take ten times as long. After so few turns
# they sleep, which costs nothing on an idle machine. Read when the library is loaded, so that it
# stands here, where every process of the platform passes first.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
