#!/usr/bin/env bash
# Three floors, arrows only down.
set -euo pipefail
cd "$(dirname "$0")/.."
"$(dirname "$(command -v "${PYTHON:-python3}")")/lint-imports" || { echo "see ci/README.md#check-imports"; exit 1; }
