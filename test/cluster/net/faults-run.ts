/** Faults one after another and two at a time, under load, and what the checker finds when all is whole again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { seededNumbers } from '../../../src/base/random-fixture.ts'
import { verifyUser } from '../../../src/cluster/verify/verify-user.ts'
import { openPostgresStore } from '../../../src/store/index.ts'
import type { UserId } from '../../../src/base/index.ts'
import { until } from '../cluster-fixture.ts'
import { commitsOf, interleavings } from '../cluster-checker.ts'
import { drawFault, type Fault, type FaultContext, faults, wholeAgain } from './faults.ts'
import { type Load, type NetUser, startLoad } from './load.ts'
import { type NetCluster, paying, startNetCluster } from './net-cluster.ts'

export interface FaultsChoice {
  readonly seed: number
  /** The run ends with the earlier of both. */
  readonly count: number
  readonly minutes: number
  readonly say: (text: string) => void
  readonly program?: string
  readonly from?: readonly Fault[]
}

export interface FaultsReport {
  readonly faults: Readonly<Record<string, number>>
  readonly messages: number
  readonly payments: number
  readonly epochs: number
  /** In words; empty: all holds. */
  readonly findings: readonly string[]
}

/** Not counted as a fault. */
const restartedByKeeper = 'NATS member started again because it stayed behind'

const users = ['ann', 'bob']
const clientsOfEach = 2

export async function runFaults({ seed, count, minutes, say, program, from = faults }: FaultsChoice): Promise<FaultsReport> {
  const random = seededNumbers(seed)
  await using cluster = await startNetCluster(program === undefined ? {} : { program })
  const known: NetUser[] = []
  for (const user of users) known.push({ user, key: await cluster.addUser(user) })
  const load = startLoad(
    known,
    clientsOfEach,
    cluster.nodes.map(({ door }) => door),
    // What is done is drawn apart, so that a seed repeats it.
    seededNumbers(seed + 1),
  )
  const context: FaultContext = { cluster, users, random }
  const counted: Record<string, number> = {}
  const endsAt = performance.now() + minutes * 60_000
  let done = 0
  while (done < count && performance.now() < endsAt) {
    const one = drawFault(random, from)
    const other = drawFault(random, from)
    // Every third time two at once, of different parts.
    const drawn = done % 3 === 2 && other.of !== one.of && done + 2 <= count ? [one, other] : [one]
    const began = performance.now()
    const before = load.count()
    const names = drawn.map(({ name }) => name).join(' + ')
    const failed = await Promise.allSettled(drawn.map((fault) => fault.run(context)))
    for (const each of failed) if (each.status === 'rejected') throw new Error(`${done + 1}: ${names}`, { cause: each.reason })
    const kept = await wholeAgain(context)
    if (kept.length > 0) counted[restartedByKeeper] = (counted[restartedByKeeper] ?? 0) + kept.length
    const heldMs = performance.now() - began
    await progress(load)
    done += drawn.length
    for (const { name } of drawn) counted[name] = (counted[name] ?? 0) + 1
    const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
    say(
      `${done}: ${names}: held ${seconds(heldMs)}${kept.length > 0 ? ` (NATS of ${kept.join(', ')} started again)` : ''}, ${load.count() - before} messages, slowest ${seconds(load.slowestMs())}`,
    )
    await sleep(random() * 3_000)
  }
  await load.end()
  return report(cluster, load, counted)
}

/** Every user is served again, or the load says after a while that somebody was not. */
async function progress(load: Load): Promise<void> {
  const before = new Map([...load.acknowledged].map(([user, texts]) => [user, texts.length]))
  const odd = load.odd.length
  const isServed = (): boolean => [...load.acknowledged].every(([user, texts]) => texts.length > before.get(user)!)
  while (!isServed() && load.odd.length === odd) await sleep(100)
}

async function report(cluster: NetCluster, load: Load, counted: Readonly<Record<string, number>>): Promise<FaultsReport> {
  const { postgres, outside } = cluster
  const open = `select count(*)::int n from journal i where name = 'turn.send' and phase = 'intent' and not exists (select from journal e
    where e."user" = i."user" and e.call = i.call and e.phase in ('outcome', 'refused', 'reconciled'))`
  let last = ''
  await until(
    async () =>
      (last = await postgres.sql<{ n: number }>(open).then(
        ([row]) => String(row?.n),
        (error: unknown) => String(error),
      )) === '0',
    () => `turns that have not ended: ${last}`,
  )
  const commits = await commitsOf(postgres.logs)
  const findings = [...load.odd, ...interleavings(commits)]
  for (const user of users) {
    const arrived = new Map([...outside.payments].filter(([what]) => what.startsWith(`${paying}${user} `)))
    const store = await openPostgresStore({ url: postgres.url, user: user as UserId, pool: 2, durability: 'normal', readOnly: true })
    try {
      const acknowledged = load.acknowledged.get(user)!
      const found = await verifyUser(store, { acknowledged, effects: { call: 'mcp.outside.pay', field: 'what', arrived } })
      findings.push(...found.findings.map((each) => `${each.user}: ${each.law}: ${each.detail}`))
    } finally {
      await store.close()
    }
  }
  return {
    faults: counted,
    messages: load.count(),
    payments: outside.payments.size,
    epochs: new Set(commits.map(({ user, epoch }) => `${user} ${epoch}`)).size,
    findings,
  }
}
