"""torchrun, with its own arguments, that leaves it to the processes to say how the run ended, in one line.

  python -m distill.launch --nproc-per-node 8 tools/distill.py CONFIG

torchrun itself prints a page more, on every machine, when a process has failed.
"""

import logging
import os
import signal
import sys
import time

from distill.errors import UserError, run_cli

ENDED = 128 + signal.SIGTERM  # exit code of a process that was asked to end
STAYING = 3.0  # seconds in which the agents of other machines still find this one, which may hold their store


def main(arguments: list[str]) -> int:
    # also in the processes to come: remarks on connections that the end of the others has closed
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.run import parse_args, run

    logging.disable(logging.CRITICAL)
    given = parse_args(arguments)
    try:
        run(given)
    except RendezvousError as error:
        what = "the machines did not meet, or the one that --rdzv-endpoint names has ended"
        raise UserError(f"{what}: {error}") from error
    except SignalException as error:  # passed on to the processes, which have told it
        return 128 + error.sigval
    except ChildFailedError as error:
        if given.nnodes not in ("1", "1:1"):
            time.sleep(STAYING)
        # torchrun asks the others to end after the first failure: their exit code says nothing of the cause
        codes = {number: failure.exitcode for number, failure in error.failures.items()}
        if told := [code for code in codes.values() if code >= 0 and code != ENDED]:
            return max(told)
        if all(code == ENDED for code in codes.values()):
            return ENDED
        number, failure = error.get_first_failure()  # none of them could say why
        how = failure.signal_name()
        raise UserError(f"process {number} (pid {failure.pid}) was ended by {how}") from error
    return 0


if __name__ == "__main__":
    given = sys.argv[1:]  # a --traceback among them is for the tool that is started
    run_cli(lambda: main(given))
