#!/bin/sh
# A node: its home is in a volume, and what the file of all nodes cannot say is added to it.
#   NODE   its name
#   HOST   where the other nodes reach it
#   DOOR   the address at which people reach it; without it, what the configuration says
#   TRUST  a folder with the authority of the cluster, ca.crt and ca.key, by which each of these nodes makes its own certificate
#   FIRST  the node that makes the authority where there is none
set -eu
mkdir -p "$OXBOW_HOME/cluster"
{
  sed '/^\[cluster\]$/a node = "'"$NODE"'"' /etc/oxbow-cluster/config.toml |
    if [ -n "${DOOR:-}" ]; then sed '/^\[cluster\.door\]$/a url = "'"$DOOR"'"'; else cat; fi
  printf 'url = "https://%s:7701"\n' "$HOST"
} >"$OXBOW_HOME/config.toml"
if [ ! -e "$OXBOW_HOME/cluster/ca.key" ]; then
  until [ -e "$TRUST/ca.key" ] || [ "$NODE" = "${FIRST:-}" ]; do sleep 1; done
  umask 077
  if [ -e "$TRUST/ca.key" ]; then cp "$TRUST/ca.crt" "$TRUST/ca.key" "$OXBOW_HOME/cluster/"; fi
fi
until oxbow cluster init; do sleep 2; done
if [ ! -e "$TRUST/ca.key" ]; then
  cp "$OXBOW_HOME/cluster/ca.crt" "$TRUST/ca.crt"
  cp "$OXBOW_HOME/cluster/ca.key" "$TRUST/ca.new"
  mv "$TRUST/ca.new" "$TRUST/ca.key"
fi
exec oxbow cluster join
