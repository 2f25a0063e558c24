#!/usr/bin/env bash
# Installs the development extra and runs the linter and the tests. Arguments go to
# pytest; without any, all tiers run, in several processes.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/venv.sh
install_into_venv ".[dev]"

ruff format --check .
ruff check .
if [ $# -gt 0 ]; then
    exec python -m pytest "$@"
fi
# Processes share the tests: much of each runs on one core, and each takes about 2 GB.
python -m pytest -m "slow or browser or not slow" --durations 25 \
    --numprocesses auto --maxprocesses 4 --dist worksteal
