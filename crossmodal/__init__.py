"""Settings, state paths and the lake: what every folder of the project may import."""

import os

# By default the threads of OpenMP, by which LightGBM works, wait for each other in busy loops: next
# to any other work, trees take several times as long. Read when the library is loaded, so that it
# stands here, where every process of the platform passes first.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
