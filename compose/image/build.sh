#!/usr/bin/env bash
# Builds stratum/kafka:<version> without pulling any image: debootstrap base, Debian's Java, and the Kafka jars that
# ../apache/pom.xml pins, resolved by this machine's Maven. Needs root, a container engine, debootstrap, Java and Maven.
#   STRATUM_KAFKA_VERSION    Kafka version (4.1.1)
#   STRATUM_DEBIAN_MIRROR    Debian mirror (the one this machine uses, when it runs that release)
#   STRATUM_REBUILD=1        make the base again even when it is there
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
version="${STRATUM_KAFKA_VERSION:-4.1.1}"
suite=bookworm
base="stratum/base:$suite"
tag="stratum/kafka:$version"

need() { command -v "$1" >/dev/null || { echo "missing: $1 ($2)" >&2; exit 78; }; }
need docker "apt-get install docker.io"
need debootstrap "apt-get install debootstrap"
need java "apt-get install openjdk-17-jre-headless"
need mvn "apt-get install maven"
docker info >/dev/null 2>&1 || { echo "the container engine does not answer; start it: dockerd &" >&2; exit 75; }
[[ "$(id -u)" == 0 ]] || { echo "debootstrap needs root: sudo $0" >&2; exit 78; }

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

own_mirror() {
  command -v apt-get >/dev/null || return 0
  apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 2>/dev/null | awk -v s="$suite" '$1 == s {print $2; exit}'
}
mirror="${STRATUM_DEBIAN_MIRROR:-$(own_mirror)}"
mirror="${mirror:-http://deb.debian.org/debian}"

jars() {
  cp "$here/../apache/pom.xml" "$work/pom.xml"
  mvn -q -B -f "$work/pom.xml" -Dkafka.version="$version" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$work/context/lib"
}

mkdir -p "$work/context/lib" "$work/context/host/apt.conf.d"
jars & resolving=$!
if [[ -n "${STRATUM_REBUILD:-}" ]] || ! docker image inspect "$base" >/dev/null 2>&1; then
  echo "making $base from $mirror" >&2
  debootstrap --variant=minbase "$suite" "$work/root" "$mirror" >"$work/debootstrap.log" 2>&1 \
    || { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
  tar -C "$work/root" -c . | docker import - "$base" >/dev/null
fi
wait "$resolving" || { echo "Maven could not resolve Apache Kafka $version" >&2; exit 1; }

# Proxies and certificates of this machine, for the build only; an empty folder is copied as well as a full one.
grep -lsE 'Acquire::(https?|ftp)' /etc/apt/apt.conf.d/* 2>/dev/null \
  | while read -r f; do cp "$f" "$work/context/host/apt.conf.d/"; done || true
[[ -r /etc/ssl/certs/ca-certificates.crt ]] && cp /etc/ssl/certs/ca-certificates.crt "$work/context/host/ca.crt"
cp "$here/Dockerfile" "$here/entrypoint.sh" "$here/log4j2.properties" "$work/context/"

proxies=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [[ -n "${!name:-}" ]] && proxies+=(--build-arg "$name=${!name}")
done
echo "building $tag" >&2
docker build --quiet --network host --build-arg BASE="$base" "${proxies[@]}" -t "$tag" "$work/context" >"$work/build.log" 2>&1 \
  || { cat "$work/build.log" >&2; exit 1; }
echo "$tag"
