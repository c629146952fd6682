/**
 * The fence of a cluster. A user's guest runs on the node that has the user's lease, and a newer lease has a larger epoch. The newest one that
 * ever wrote stands in a row of the database; every transaction reads that row under the lock of the user's chain and is refused when it is not
 * its own. So a guest that was paused or cut off, and does not know that another node has taken over, cannot write: the check and the rows
 * commit together, and whoever claims a newer lease waits for the same lock.
 *
 * The table belongs to clusters, as those next to it: they are made by the first guest that has a lease, and are no part of a store that is moved or
 * backed up.
 */
import { OxbowError, type UserId } from '../../base/index.ts'
import type { GuestLease } from '../../config/index.ts'
import { chainLockKey, guestLockKey } from './batch-statements.ts'
import type { PostgresSession, Query } from './postgres-session.ts'

const tableText = `create table if not exists "cluster_lease" ("user" text primary key, "term" bigint not null, "epoch" bigint not null,
  "node" text not null, "since" timestamptz not null default now())`

/** When users who sleep are to be woken: see `cluster-alarms.ts`. */
const alarmTableText = `create table if not exists "cluster_alarm" ("user" text primary key, "at" timestamptz not null);
  create index if not exists "cluster_alarm_at" on "cluster_alarm" ("at")`
/** Budgets that users share; see `shared-budgets.ts`. A limit of null does not limit; spans are named as `date_trunc` has them, in UTC. */
const shareTables = `
  create table if not exists "cluster_budget" ("name" text primary key, "span" text not null, "since" bigint not null default 0,
    "max_micro_dollars" bigint, "max_tokens" bigint, "used_micro_dollars" bigint not null default 0, "used_tokens" bigint not null default 0,
    "held_micro_dollars" bigint not null default 0, "held_tokens" bigint not null default 0);
  create table if not exists "cluster_member" ("user" text not null, "budget" text not null references "cluster_budget" on delete cascade,
    "micro_dollars" bigint not null default 0, "tokens" bigint not null default 0, primary key ("user", "budget"))`

/** Files of users; see `../files/kept-files.ts`. */
const fileTables = `
  create table if not exists "cluster_files" ("user" text primary key, "head" text not null, "refs" text not null,
    "seq" bigint not null, "node" text not null, "at" timestamptz not null default now());
  create table if not exists "cluster_packs" ("user" text not null, "seq" bigint not null, "name" text not null, "kind" text not null,
    "bytes" bigint not null, "parts" bigint not null, "place" text not null, primary key ("user", "seq"), unique ("user", "name"));
  create table if not exists "cluster_parts" ("user" text not null, "name" text not null, "part" bigint not null, "body" bytea not null,
    primary key ("user", "name", "part"))`

/** Key files of users, sealed; see `cluster/cluster-keys.ts`. */
const keyTable = `create table if not exists "cluster_key" ("user" text primary key, "sealed" bytea not null)`

/** Row: term and epoch of the newest lease that has written; no row: none has. */
export function newestLeaseQuery(user: UserId): Query {
  return { name: 'newest_lease', text: 'select "term", "epoch" from "cluster_lease" where "user" = $1', values: [user] }
}

/** @throws OxbowError `stale_epoch` unless the row is of this lease */
export function refuseStale(lease: GuestLease, row: readonly unknown[] | undefined, shown: string): void {
  if (row !== undefined && row[0] === lease.term && row[1] === lease.epoch) return
  throw staleLease(lease, shown)
}

/** What whoever is not the newest is told. */
export function staleLease({ node, epoch }: GuestLease, shown: string): OxbowError {
  return new OxbowError('stale_epoch', `Another node runs this user on ${shown} now: the lease ${epoch} of ${node} is not the newest.`, {
    hint: 'Nothing was written. This guest ends; connect again, and any node leads to the new one: oxbow cluster where USER',
  })
}

interface FencedWrites {
  readonly user: UserId
  readonly lease: GuestLease
  readonly shown: string
}

/**
 * Work in a transaction of another connection of the guest (its plugins' data, its secrets), under the same lock and the same check as the rows of
 * the journal: whoever claims a newer lease waits for it, or ends it. @throws OxbowError `stale_epoch`
 */
export async function fencedWork<Result>(
  session: PostgresSession,
  { user, lease, shown }: FencedWrites,
  work: () => Promise<Result>,
): Promise<Result> {
  const locked = session.rows({ text: 'select pg_advisory_xact_lock(hashtextextended($1, 0))', values: [chainLockKey(user)] })
  const [, newest] = await Promise.all([locked, session.rows(newestLeaseQuery(user))])
  refuseStale(lease, newest[0], shown)
  return work()
}

/** How long a claim waits for a transaction of the guest before, which may be paused in it. */
const chainWaitMs = 1_000
const maxClaims = 5
const lockNotAvailable = '55P03'

/** Does nothing where they are. As their owner. */
export async function makeClusterTables(session: PostgresSession): Promise<void> {
  // Two that make a table at once would fail in the catalog.
  const newest = `select to_regclass('cluster_member') is not null and to_regclass('cluster_parts') is not null
    and to_regclass('cluster_key') is not null`
  if ((await session.rows({ text: newest, values: [] }))[0]?.[0] !== true) {
    await session.exec(`begin; select pg_advisory_xact_lock(hashtextextended('oxbow.cluster', 0))`)
    await session.exec(`${tableText}; ${alarmTableText}; ${shareTables}; ${fileTables}; ${keyTable}; commit`)
  }
}

/**
 * Makes the lease the newest one. Transactions of older leases that are under way end first: those that take too long are ended, and nothing
 * of them is written. @throws OxbowError `stale_epoch` where a newer one has written
 */
export async function claimLease(session: PostgresSession, user: UserId, lease: GuestLease, shown: string): Promise<void> {
  await makeClusterTables(session)
  for (let tries = 1; ; tries += 1) {
    try {
      await session.exec(`begin isolation level read committed; set local lock_timeout = ${chainWaitMs}`)
      await session.rows({ text: 'select pg_advisory_xact_lock(hashtextextended($1, 0))', values: [chainLockKey(user)] })
      const claimed = await session.rows({ text: claimText, values: [user, lease.term, lease.epoch, lease.node] })
      if (claimed.length === 0) throw staleLease(lease, shown)
      // Who runs is not woken.
      await session.rows({ text: 'delete from "cluster_alarm" where "user" = $1', values: [user] })
      await session.exec('commit')
      return
    } catch (error) {
      if (!session.isLost()) await session.exec('rollback')
      const isHeld = error instanceof Error && 'code' in error && error.code === lockNotAvailable
      if (!isHeld || tries === maxClaims) throw error
      await endHolders(session, chainLockKey(user))
    }
  }
}

const claimText = `insert into "cluster_lease" as t ("user", "term", "epoch", "node") values ($1, $2, $3, $4)
  on conflict ("user") do update set "term" = excluded."term", "epoch" = excluded."epoch", "node" = excluded."node", "since" = now()
  where (t."term", t."epoch") <= (excluded."term", excluded."epoch") returning 1`

/** Ends the sessions of a guest before, which may be of a node that hangs. Only the newest lease may: its own epoch is already there. */
export function endGuestBefore(session: PostgresSession, user: UserId): Promise<void> {
  return endHolders(session, guestLockKey(user))
}

async function endHolders(session: PostgresSession, key: string): Promise<void> {
  await session.rows({
    text: `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and pid <> pg_backend_pid() and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and ((classid::bigint << 32) | objid::bigint) = hashtextextended($1, 0)`,
    values: [key],
  })
}
