#!/usr/bin/env bash
# The formatter's opinion is the only one.
set -euo pipefail
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m ruff format --check --quiet . || { echo "see ci/README.md#check-format"; exit 1; }
