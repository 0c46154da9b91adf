#!/bin/sh
# Continuous integration of the storefront's backend as a person would write it in an afternoon: the same tools with
# the same options on the same commit, as parallel as the machine allows, with caches that are as warm as the
# pipeline's. It stops at the first failure, and keeps nothing but logs.
#
#     storefront.sh GIT_DIR COMMIT BASE WORK CACHE TOOLS
#
# GIT_DIR: bare repository. COMMIT and BASE: what is checked, and what is new is measured against. WORK: empty folder.
# CACHE: kept from run to run. TOOLS: folder with uv, ruff, hadolint, detect-secrets and python.
set -eu
git_dir=$1 commit=$2 base=$3 work=$4 cache=$5 tools=$6
export UV_CACHE_DIR="$cache/packages" UV_NO_CONFIG=1 UV_NO_PROGRESS=1 SOURCE_DATE_EPOCH=315532800 PYTHONDONTWRITEBYTECODE=1
tree=$work/tree
mkdir -p "$tree" "$work/reports" "$work/source-of-application" "$cache"

git --git-dir="$git_dir" archive "$commit" | tar -x -C "$tree"
service=$tree/backend
key=$(cat "$service"/*.lock | sha256sum | cut -c1-16)
environment=$cache/environment-$key
roots="backend servicekit"

dependencies() {
  [ -d "$environment" ] && return
  "$tools/uv" venv --quiet --python "$tools/python" "$environment.new"
  "$tools/uv" pip install --quiet --require-hashes --python "$environment.new/bin/python" --compile-bytecode \
    -r "$service/requirements-dev.lock"
  mv "$environment.new" "$environment"
}

lint() {
  cd "$tree"
  "$tools/ruff" check --no-cache --output-format=json $roots > "$work/reports/ruff.json"
  "$tools/hadolint" --format json backend/Dockerfile > "$work/reports/hadolint.json" || test $? = 1
}

secrets() {
  cd "$tree"
  "$tools/detect-secrets" scan --all-files $(git --git-dir="$git_dir" diff --name-only --diff-filter=d "$base" "$commit") \
    > "$work/reports/secrets.json"
}

# The advisory snapshot of the repository against names and versions, as read from standard input.
audit() {
  "$tools/python" - "$tree/advisories" <<'PYTHON'
import json, pathlib, sys
vulnerable = set()
for path in pathlib.Path(sys.argv[1]).glob("GHSA-*.json"):
    for affected in json.loads(path.read_text()).get("affected", []):
        vulnerable.update((affected["package"]["name"].lower(), each) for each in affected.get("versions", []))
installed = {tuple(line.split()[0].lower().split("==")) for line in sys.stdin if "==" in line.split()[0]}
sys.exit(1 if vulnerable & installed else 0)
PYTHON
}

unit_tests() {
  cd "$service"
  "$environment/bin/python" -m pytest -q tests/unit --junitxml=reports/unit.xml --cov \
    --cov-report=xml:reports/coverage.xml
}

process_tests() {
  cd "$service"
  "$environment/bin/python" -m pytest -q -c pyproject.toml tests/process ../servicekit/tests \
    --junitxml=reports/process.xml
}

quality() {
  cd "$tree"
  "$tools/ruff" check --no-cache --isolated --exit-zero --output-format=json --select=E,F,B,C90,PL,S,UP $roots \
    > "$work/reports/quality.json"
}

application() {
  "$tools/uv" pip install --quiet --require-hashes --offline --python "$environment/bin/python" --link-mode=copy \
    --target "$work/application/deps" -r "$service/requirements.lock"
  cp -r "$tree/backend" "$tree/servicekit" "$work/source-of-application"
  "$tools/uv" pip install --quiet --no-deps --no-build-isolation --offline --no-cache \
    --python "$environment/bin/python" --target "$work/application/app" \
    "$work/source-of-application/backend" "$work/source-of-application/servicekit"
}

layer() {
  tar -C "$work/application" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c "$1" | gzip -n6 > "$2"
}

image() {
  locked=$cache/layer-$(sha256sum "$service/requirements.lock" | cut -c1-16).tar.gz
  [ -f "$locked" ] || { layer deps "$locked.new" && mv "$locked.new" "$locked"; }
  mkdir -p "$work/image"
  cp "$locked" "$work/image/deps.tar.gz"
  layer app "$work/image/app.tar.gz"
  sha256sum "$work"/image/*.tar.gz > "$work/image/manifest"
}

scan_image() {
  find "$work/application" -name METADATA -path '*.dist-info/*' -exec \
    awk '/^Name: /{name=$2} /^Version: /{print name "==" $2; exit}' {} \; | audit
}

push() {
  mkdir -p "$work/registry"
  cp "$work"/image/* "$work/registry/"
  (cd "$work/registry" && sha256sum ./*.tar.gz > confirmed)
}

# A job in the background; `await` ends everything when one has failed.
jobs=""
start() { "$1" > "$work/$1.log" 2>&1 & jobs="$jobs $!"; }
await() { for job in $jobs; do wait "$job"; done; jobs=""; }
dependency_scan() { audit < "$service/requirements.lock"; }
tested() { unit_tests && quality; }

start lint
start secrets
start dependency_scan
dependencies > "$work/dependencies.log" 2>&1
start tested
start process_tests
start application
await
image
scan_image
push
