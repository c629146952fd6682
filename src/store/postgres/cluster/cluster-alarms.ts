/**
 * When users of a cluster whose guest sleeps are to be woken: a row for each that has something to do later, and one indexed query that finds
 * those whose time has come, whoever asks. The guest that sleeps has said when: its runs, whatever they are of, are all known to it. A guest
 * that claims a newer lease takes the row away, see `lease-fence.ts`.
 */
import type { GuestLease } from '../../../config/index.ts'
import { isNoTable } from '../postgres-fault.ts'
import { openPgDriver, type PostgresSession } from '../postgres-session.ts'

export interface ClusterAlarms {
  /** @param at unix milliseconds; null: nothing is to wake the user. Does nothing where the lease is not the newest. */
  set(user: string, lease: GuestLease, at: number | null): Promise<void>
  /** @returns users who are due, each to one of those that ask at the same time, and again after a while unless a guest has started */
  due(): Promise<readonly string[]>
  close(): Promise<void>
}

/** Users of one look; the next look finds the others. */
const mostDue = 100
/** A guest starts within a second: one that is woken so much earlier is there when its time has come. */
const aheadS = 2
/** Whoever was told may have died before it had the user woken. */
const againS = 15

/** The row of the lease is locked: a newer one that is claimed meanwhile finds the alarm, and takes it away. */
const setText = `with held as (select 1 from "cluster_lease" where "user" = $1 and "term" = $2 and "epoch" = $3 for update)
  insert into "cluster_alarm" ("user", "at") select $1, to_timestamp($4::float8 / 1000) from held
  on conflict ("user") do update set "at" = excluded."at"`

const clearText = `delete from "cluster_alarm" where "user" = $1 and exists
  (select 1 from "cluster_lease" where "user" = $1 and "term" = $2 and "epoch" = $3)`

const dueText = `update "cluster_alarm" set "at" = now() + interval '${againS} s' where "user" in
  (select "user" from "cluster_alarm" where "at" <= now() + interval '${aheadS} s' order by "at" limit ${mostDue} for update skip locked)
  returning "user"`

/** Connects with the first question. @throws OxbowError `bad_config` for text that is no address */
export function openAlarms(address: string): ClusterAlarms {
  const driver = openPgDriver({ url: address, connections: 2, name: 'oxbow-node' })
  const run = (text: string, values: readonly unknown[]): Promise<unknown[][]> =>
    driver.read((session: PostgresSession) => session.rows({ text, values }))
  /** No guest has had a lease on this server yet: there are no tables. */
  const orNone = async (rows: Promise<unknown[][]>): Promise<unknown[][]> => {
    try {
      return await rows
    } catch (error) {
      if (isNoTable(error)) return []
      throw error
    }
  }
  return {
    async set(user, { term, epoch }, at) {
      await (at === null ? run(clearText, [user, term, epoch]) : run(setText, [user, term, epoch, at]))
    },
    due: async () => (await orNone(run(dueText, []))).map(([user]) => String(user)),
    close: () => driver.close(),
  }
}
