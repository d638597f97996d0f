#!/bin/sh
# Measures everything that a card can tell, in under ten minutes: benchmarks/gpu.sh OUT [--model DIR] [--dry]
# PYTHON names the interpreter, one with the packages of constraints.txt; else .venv's, else python3.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
    if [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; else PYTHON=python3; fi
fi
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 PYTHONUNBUFFERED=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "$PYTHON" -m benchmarks.gpu.run "$@"
