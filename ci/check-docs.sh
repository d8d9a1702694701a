#!/usr/bin/env bash
# docs/cli.md, docs/dbkit.schema.json, docs/errors.md and the diagrams are what the program says.
set -euo pipefail
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" ci/generate_docs.py --check || { echo "see ci/README.md#check-docs"; exit 1; }
