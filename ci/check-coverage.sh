#!/usr/bin/env bash
# The tests of the shop run at least 95% of the statements of every function.
set -euo pipefail
cd "$(dirname "$0")/.."
report=$(mktemp)
trap 'rm -f "$report"' EXIT
export DBKIT_TEST_POSTGRES=${DBKIT_TEST_POSTGRES:-/usr/lib/postgresql/15/bin}
# measured, no function is put into its caller: what a planner makes of one is seen without
DBKIT_TEST_COVERAGE=$report "${PYTHON:-python3}" -m pytest tests/shop tests/debian/test_trigrams.py tests/debian/test_slow_queries.py -k "not plan and not cart" \
    || { echo "see ci/README.md#check-coverage"; exit 1; }
"${PYTHON:-python3}" ci/coverage.py "$report" || { echo "see ci/README.md#check-coverage"; exit 1; }
