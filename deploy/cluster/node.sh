#!/bin/sh
# A node: its home is in a volume, and what the file of all nodes cannot say is added to it.
#   NODE   its name, and the host at which the other nodes reach its door
set -eu
mkdir -p "$OXBOW_HOME"
{
  sed '/^\[cluster\]$/a node = "'"$NODE"'"' /etc/oxbow-cluster/config.toml
  printf 'url = "http://%s:7700"\n' "$NODE"
} >"$OXBOW_HOME/config.toml"
# Again, it changes nothing; until NATS has a leader it fails.
until oxbow cluster init; do sleep 2; done
exec oxbow cluster join
