# Sourced by demo.sh and test.sh: makes .venv once and installs into it when the
# requirements have changed since.

install_into_venv() {
    local what=$1 stamp=.venv/.installed-${1//[^a-z]/_}
    if [ ! -x .venv/bin/python ]; then
        find_python -m venv .venv
    fi
    source .venv/bin/activate
    local wanted
    wanted=$(cat setup.cfg pyproject.toml | cksum)
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        python -m pip install --quiet --upgrade pip
        python -m pip install --quiet --editable "$what"
        echo "$wanted" >"$stamp"
    fi
}

# Runs the first Python that is new enough.
find_python() {
    local python
    for python in python3 python3.11 python3.12 python3.13 python; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$python" "$@"
            return
        fi
    done
    echo "error: no Python 3.11 or newer found" >&2
    return 1
}
