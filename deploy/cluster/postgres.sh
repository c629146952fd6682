#!/bin/sh
# A PostgreSQL server of a pair, run by the user postgres: the first start of a primary makes the database, the first start of a standby copies the
# primary and follows it. To promote the standby: pg_ctl promote there, docs/cluster.md.
#   ROLE      primary or standby
#   PEER      host of the other server
#   PGDATA    folder of this server's data, in a volume
#   NETWORK   from where nodes and the other server connect, as pg_hba.conf has it: samenet, or 10.0.0.0/8
set -eu
PATH="$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ "$ROLE" = primary ]; then
    initdb --pgdata="$PGDATA" --auth=trust --username=postgres --encoding=UTF8 --locale=C.UTF-8
    cat >>"$PGDATA/postgresql.conf" <<CONF
listen_addresses = '*'
unix_socket_directories = ''
max_connections = 400
# What a client was told is on both servers: docs/cluster.md says what to do while there is one only.
synchronous_standby_names = '*'
CONF
    # A network of this compose file alone. Elsewhere: scram-sha-256, TLS, and a password for each role.
    printf 'host all all %s trust\nhost replication all %s trust\n' "$NETWORK" "$NETWORK" >>"$PGDATA/pg_hba.conf"
    printf 'create role oxbow login;\n\ncreate database oxbow owner oxbow;\n' |
      postgres --single -j -D "$PGDATA" -c synchronous_standby_names= postgres
  else
    until pg_basebackup --host="$PEER" --username=postgres --pgdata="$PGDATA" --write-recovery-conf --checkpoint=fast; do
      rm -rf "$PGDATA"
      sleep 1
    done
  fi
fi
exec postgres -D "$PGDATA"
