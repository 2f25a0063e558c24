#!/usr/bin/env bash
# Installs the development extra and runs the linter and the tests. Arguments go to
# pytest; without any, the default tier and then the slow one run.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/venv.sh
install_into_venv ".[dev]"

ruff format --check .
ruff check .
if [ $# -gt 0 ]; then
    exec python -m pytest "$@"
fi
python -m pytest -m "slow or browser or not slow"
