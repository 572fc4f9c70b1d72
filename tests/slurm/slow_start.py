"""``dfaseg`` as a job knows it that is too slow for its time limit, until it is requeued.

    python tests/slurm/slow_start.py predict ...

Each batch takes a second more in the first job, whatever the machine, without work for it.
"""

import os
import time
from collections.abc import Callable

from torch import Tensor

from dfaseg.cli.main import main
from dfaseg.model.network import Network

_start = Network.start


def _start_late(network: Network, patches: Tensor) -> Callable[[], Tensor]:
    time.sleep(1)
    return _start(network, patches)


if __name__ == "__main__":
    if "SLURM_RESTART_COUNT" not in os.environ:
        Network.start = _start_late  # type: ignore[method-assign]
    main()
