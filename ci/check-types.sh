#!/usr/bin/env bash
# mypy --strict over the tool and its tests.
set -euo pipefail
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m mypy || { echo "see ci/README.md#check-types"; exit 1; }
