"""torchrun, with its own arguments, that leaves it to the processes to say how the run ended, in one line.

  python -m distill.launch --nproc-per-node 8 tools/distill.py CONFIG

torchrun itself prints a page more, on every machine, when a process has failed.
"""

import logging
import os
import sys

from distill.errors import UserError, run_cli


def main(arguments: list[str]) -> int:
    # also in the processes to come: remarks on connections that the end of the others has closed
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.run import parse_args, run

    logging.disable(logging.CRITICAL)
    try:
        run(parse_args(arguments))
    except RendezvousError as error:
        raise UserError(f"the machines did not meet: {error}") from error
    except SignalException as error:  # passed on to the processes, which have told it
        return 128 + error.sigval
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        if all(other.exitcode < 0 for other in error.failures.values()):  # none of them could say why
            how = failure.signal_name()
            raise UserError(f"process {number} (pid {failure.pid}) was ended by {how}") from error
        return max(other.exitcode for other in error.failures.values())
    return 0


if __name__ == "__main__":
    given = sys.argv[1:]  # a --traceback among them is for the tool that is started
    run_cli(lambda: main(given))
