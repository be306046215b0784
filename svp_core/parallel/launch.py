"""Start the ranks of a pipeline on this machine, as torchrun does, and end as they end."""

import logging
import sys
import uuid
from collections.abc import Sequence
from signal import SIGINT, Signals

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from svp_core.runtime import interruption
from svp_core.runtime.printing import say

# what older releases of torch lack: signals that are passed on, seconds to save the state then
NEWER = {"signals_to_handle": "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1", "shutdown_timeout": 100}


def launch(ranks: int, module: str, arguments: Sequence[str]) -> int:
    """Run `python -m module ARGUMENTS` in so many ranks; return the exit code of the first to fail.

    That is 0 if none does, and 128 and its signal's number of one that was killed.
    """
    logging.disable()  # the ranks tell what torch would tell at length
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=0.1,
        logs_specs=DefaultLogsSpecs(),
        **{key: value for key, value in NEWER.items() if key in LaunchConfig.__annotations__},
    )
    try:
        elastic_launch(config, sys.executable)("-m", module, *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            name = Signals(-failure.exitcode).name
            say(f"error: rank {rank} was ended by {name}", file=sys.stderr)
        return abs(failure.exitcode) + 128 * (failure.exitcode < 0)
    except SignalException as error:
        return interruption.CTRL_C if error.sigval == SIGINT else interruption.EXIT_CODE
    return 0
