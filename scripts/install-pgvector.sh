#!/usr/bin/env bash
# Gives every installed PostgreSQL the extension `vector` (pgvector): from the distribution's package where it has one, else built
# from Debian trixie's source package, which apt checks against Debian's key. The system's own package sources are not touched.
#
# Does nothing when it is there already. Needs root or passwordless sudo, and a C compiler. Ends with 1 and a reason when it
# cannot be had: Oxbow then searches vectors exactly, and tests that need the extension are skipped.
set -euo pipefail

say() { echo "install-pgvector: $*" >&2; }
give_up() { say "$*"; exit 1; }

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n -E); fi

# The newest pgvector that was tried here; a checkout that Debian moves on from still builds with what it offers.
suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# A build takes ten seconds here; a machine that needs more than ten minutes is stuck.
longest=600

missing=()
for bin in /usr/lib/postgresql/*/bin; do
  [ -x "$bin/initdb" ] || continue
  version=$(basename "$(dirname "$bin")")
  [ -e "/usr/share/postgresql/$version/extension/vector.control" ] || missing+=("$version")
done
[ -n "$(find /usr/lib/postgresql -maxdepth 3 -name initdb 2>/dev/null)" ] || give_up "no PostgreSQL is installed: apt-get install postgresql"
[ "${#missing[@]}" -gt 0 ] || exit 0

command -v apt-get >/dev/null 2>&1 || give_up "no apt here: install pgvector by your package manager, or from https://github.com/pgvector/pgvector"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"

source_of() {
  mkdir -p "$folder/lists/partial" "$folder/parts"
  printf 'Types: deb-src\nURIs: http://deb.debian.org/debian\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$suite" "$keyring" >"$folder/parts/source.sources"
  local apt=(-o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$folder/parts" -o "Dir::State::lists=$folder/lists"
    -o "Dir::Cache::srcpkgcache=" -o "Dir::Cache::pkgcache=" -o "APT::Sandbox::User=root")
  timeout "$longest" apt-get "${apt[@]}" update -qq
  (cd "$folder" && timeout "$longest" apt-get "${apt[@]}" source --download-only -qq pgvector)
  mkdir "$folder/pgvector"
  tar -xf "$folder"/pgvector_*.orig.tar.gz -C "$folder/pgvector" --strip-components=1
}

for version in "${missing[@]}"; do
  if [ -n "$(apt-cache show "postgresql-$version-pgvector" 2>/dev/null)" ]; then
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "postgresql-$version-pgvector"
    continue
  fi
  config=/usr/lib/postgresql/$version/bin/pg_config
  if [ ! -d "$("$config" --includedir-server 2>/dev/null)" ]; then
    [ -n "$(apt-cache show "postgresql-server-dev-$version" 2>/dev/null)" ] || "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "postgresql-server-dev-$version"
  fi
  [ -d "$folder/pgvector" ] || source_of || give_up "the source of pgvector cannot be fetched from Debian"
  # No flags of this machine's processor (the extension may move with an image), and no bitcode: that needs clang.
  make=(make -C "$folder/pgvector" "PG_CONFIG=$config" OPTFLAGS= with_llvm=no)
  timeout "$longest" "${make[@]}" clean >"$folder/log" 2>&1 || true
  timeout "$longest" "${make[@]}" >"$folder/log" 2>&1 || { tail -20 "$folder/log" >&2; give_up "pgvector does not build for PostgreSQL $version"; }
  "${as_root[@]}" "${make[@]}" install >>"$folder/log" 2>&1 || { tail -20 "$folder/log" >&2; give_up "pgvector cannot be installed for PostgreSQL $version"; }
  say "built pgvector for PostgreSQL $version"
done
