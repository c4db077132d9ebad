#!/bin/sh
# Makes the Python environment from a hash-locked list, once: install.sh VENV LOCK
# PYTHON names the Python 3.11 to use. A second run with the same list ends at once.
set -u
venv=$1
lock=$2
python=${PYTHON:-python3.11}
stamp="$venv/.installed-$(basename "$lock" .lock)"
wanted=$(cksum <"$lock")

fail() {
    echo "$1" >&2
    exit 1
}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi
if [ -e "$venv" ] && [ ! -w "$venv" ]; then
    fail "The environment $venv is another user's and is not up to date: use one of your own, \`make VENV=$venv-$(id -un) ...\`."
fi
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    command -v "$python" >/dev/null 2>&1 ||
        fail "Python 3.11 is needed and $python is not there: install it (Debian: apt install python3.11 python3.11-venv), or name one with PYTHON=/path/to/python3.11."
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
        fail "Python 3.11 is needed and $python is not that: name one with PYTHON=/path/to/python3.11."
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no module venv: install it (Debian: apt install python3.11-venv)."
    if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ]; then
        fail "$venv is there and is no Python environment: move it away, or name another with VENV=."
    fi
    echo "Making the environment $venv ..."
    "$python" -m venv --clear "$venv" ||
        fail "The environment $venv cannot be made: make the folder writable and see that the disk has room, then run \`make install\` again."
fi
"$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    fail "The environment $venv is not of Python 3.11: remove it, then run \`make install\` again."
echo "Installing the packages of $lock; the first time takes a minute ..."
"$venv/bin/python" -m pip install --disable-pip-version-check --no-input --require-hashes -r "$lock" ||
    fail "The packages could not be installed (see above): check the network and the disk, or name a package index in PIP_INDEX_URL, then run \`make install\` again."
echo "$wanted" >"$stamp"
# The list of the tests holds everything that the programs need.
if [ "$lock" = requirements-dev.lock ]; then
    cksum <requirements.lock >"$venv/.installed-requirements"
fi
