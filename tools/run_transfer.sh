#!/bin/sh
# Fine-tunes a backbone on a benchmark and measures it, seed by seed.
# Usage: tools/run_transfer.sh BENCHMARK CHECKPOINT [options]; -h lists them. See docs/transfer.md.
root=$(CDPATH= cd -P -- "$(dirname -- "$0")/.." && pwd)
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" -m transfer.run "$@"
