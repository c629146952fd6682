/** Faults alone and up to five at a time, under load, and what the checker finds when all is whole again. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { seededNumbers } from '../../../src/base/random-fixture.ts'
import { verifyUser } from '../../../src/cluster/verify/verify-user.ts'
import { openPostgresStore } from '../../../src/store/index.ts'
import { errorMessage, type UserId } from '../../../src/base/index.ts'
import { until } from '../cluster-fixture.ts'
import { commitsOf, interleavings } from '../cluster-checker.ts'
import { type FileClient, keepWriting, missing } from '../file-clients.ts'
import { drawFault, type Fault, type FaultContext, faults, mostAtOnce, wholeAgain } from './faults.ts'
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
  /** Of files, acknowledged. */
  readonly writes: number
  readonly tokens: { readonly used: number; readonly limit: number }
  readonly epochs: number
  /** In words; empty: all holds. */
  readonly findings: readonly string[]
}

/** Not counted as a fault. */
const restartedByKeeper = 'NATS member started again because it stayed behind'

const users = ['ann', 'bob']
const clientsOfEach = 2
/** These share a budget that is used up in the middle of a series. */
const limited = ['dan', 'eve']
const tokensOfFault = 60_000

export async function runFaults({ seed, count, minutes, say, program, from = faults }: FaultsChoice): Promise<FaultsReport> {
  const random = seededNumbers(seed)
  await using cluster = await startNetCluster(program === undefined ? {} : { program })
  const known: NetUser[] = []
  const add = async (user: string): Promise<void> => void known.push({ user, key: await cluster.addUser(user) })
  for (const user of users) await add(user)
  const tokenLimit = tokensOfFault * (Number.isFinite(count) ? count : minutes)
  // Before they do anything: all that their journals have counts in it.
  await shareBudget(cluster, tokenLimit)
  for (const user of limited) await add(user)
  const doors = cluster.nodes.map(({ door }) => door)
  const [whole, parted] = [known.slice(0, users.length), known.slice(users.length)]
  // What is done is drawn apart, so that a seed repeats it.
  const load = startLoad(whole, clientsOfEach, doors, seededNumbers(seed + 1))
  const limitedLoad = startLoad(parted, 1, doors, seededNumbers(seed + 2))
  const writers = whole.map((of) => ({ user: of.user, client: keepWriting({ ...of, name: 'files', doors: () => doors, pauseMs: 1_500 }) }))
  const context = { cluster, users: [...users, ...limited], random }
  const counted: Record<string, number> = {}
  const broken: string[] = []
  const endsAt = performance.now() + minutes * 60_000
  const endLoad = () => Promise.all([load.end(), limitedLoad.end(), ...writers.map(({ client }) => client.end())])
  try {
    for (let done = 0; done < count && performance.now() < endsAt; await sleep(random() * 3_000)) {
      const drawn = drawSome(random, from, count - done)
      done += drawn.length
      const said = await makeFaults(drawn, context, load, counted)
      say(`${done}: ${said}`)
    }
  } catch (error) {
    // It is told at once; what was done until then is compared all the same.
    say(inspect(error, { depth: 6 }))
    broken.push(`the faults broke off: ${errorMessage(error)}`)
  }
  await endLoad()
  const { findings, ...seen } = await report(cluster, [load, limitedLoad], counted)
  const used = await tokensOf(cluster)
  const lost = await Promise.all(writers.map(({ user, client }) => lostFiles(cluster, user, client)))
  return {
    ...seen,
    writes: writers.reduce((sum, { client }) => sum + client.state.acknowledged, 0),
    tokens: { used, limit: tokenLimit },
    findings: [
      ...broken,
      ...findings,
      ...lost.flat(),
      ...(used > tokenLimit ? [`${used} tokens were used, and ${tokenLimit} allowed`] : []),
    ],
  }
}

/** All of them at once. @returns what they were and did, when all is whole and everybody is served again */
async function makeFaults(
  drawn: readonly Fault[],
  around: Omit<FaultContext, 'taken'>,
  load: Load,
  counted: Record<string, number>,
): Promise<string> {
  const context: FaultContext = { ...around, taken: new Set() }
  const began = performance.now()
  const before = load.count()
  const names = drawn.map(({ name }) => name).join(' + ')
  const done = drawn.map((fault) => ({ fault, over: fault.run(context) }))
  const ends = (isNode: boolean) => Promise.allSettled(done.flatMap(({ fault, over }) => ((fault.of === 'node') === isNode ? [over] : [])))
  const [nodes, others] = [ends(true), await ends(false)]
  // A node starts when NATS is whole, and NATS may need its keeper for that.
  const healing = wholeAgain(context)
  healing.catch(() => {})
  const failed = [...others, ...(await nodes)]
  for (const each of failed) if (each.status === 'rejected') throw new Error(names, { cause: each.reason })
  const kept = [...(await healing), ...(await wholeAgain(context))]
  if (kept.length > 0) counted[restartedByKeeper] = (counted[restartedByKeeper] ?? 0) + kept.length
  const heldMs = performance.now() - began
  await progress(load)
  for (const { name } of drawn) counted[name] = (counted[name] ?? 0) + 1
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
  const keeper = kept.length > 0 ? ` (NATS of ${kept.join(', ')} started again)` : ''
  return `${names}: held ${seconds(heldMs)}${keeper}, ${load.count() - before} messages, slowest ${seconds(load.slowestMs())}`
}

/** @returns one to five, which are at once */
function drawSome(random: () => number, from: readonly Fault[], left: number): readonly Fault[] {
  const drawn = Array.from({ length: Math.min(left, 1 + Math.floor(random() * 5)) }, () => drawFault(random, from))
  return drawn.filter(({ of }, at) => drawn.slice(0, at).filter((each) => each.of === of).length < mostAtOnce[of])
}

async function shareBudget({ oxbow, nodes }: NetCluster, tokens: number): Promise<void> {
  const [node] = nodes
  for (const words of [
    ['set', 'org:shared', '--tokens', String(tokens), '--per', 'total'],
    ...limited.map((user) => ['join', 'org:shared', user]),
  ]) {
    const { exit, text } = await oxbow(node!, 'cluster', 'budget', ...words)
    assert.equal(exit, 0, text)
  }
}

/** Of those who share the budget, as their journals have them. */
async function tokensOf({ postgres }: NetCluster): Promise<number> {
  const spent = `select coalesce(sum((body::jsonb -> 'spent' ->> 'tokens')::bigint), 0)::int as tokens from journal where "user" = any($1) and body like '%"spent"%'`
  const [row] = await postgres.sql<{ tokens: number }>(spent, [limited])
  return row!.tokens
}

/** What was acknowledged, and is not in the workspace of the guest that runs now. */
async function lostFiles(cluster: NetCluster, user: string, { told }: FileClient): Promise<readonly string[]> {
  await cluster.oxbow(cluster.nodes[0]!, 'cluster', 'where', user, '--wake')
  const node = (await cluster.whereIs(user))?.node()
  return node === null || node === undefined
    ? [`${user}: no guest has the files`]
    : missing(node.shared(user), told).map((text) => `${user}: ${text}`)
}

/** Every user is served again, or the load says after a while that somebody was not. */
async function progress(load: Load): Promise<void> {
  const before = new Map([...load.acknowledged].map(([user, texts]) => [user, texts.length]))
  const odd = load.odd.length
  const isServed = (): boolean => [...load.acknowledged].every(([user, texts]) => texts.length > before.get(user)!)
  while (!isServed() && load.odd.length === odd) await sleep(100)
}

async function report(
  cluster: NetCluster,
  loads: readonly [Load, Load],
  counted: Readonly<Record<string, number>>,
): Promise<Omit<FaultsReport, 'writes' | 'tokens'>> {
  const [load] = loads
  const { postgres, outside } = cluster
  const open = `select i."user", i.call, i.seq, i.at, (select max(seq) from journal m where m."user" = i."user") as newest,
      (select node || ' since ' || since from cluster_lease l where l."user" = i."user") as lease
    from journal i where name = 'turn.send' and phase = 'intent' and not exists (select from journal e
    where e."user" = i."user" and e.call = i.call and e.phase in ('outcome', 'refused', 'reconciled'))`
  let last: readonly object[] = []
  try {
    await until(async () => (last = await postgres.sql<object>(open).catch((error: unknown) => [{ error: String(error) }])).length === 0)
  } catch {
    const where = await Promise.all(cluster.nodes.map(async (node) => (await cluster.oxbow(node, 'cluster', 'status')).text))
    const said = cluster.nodes.map((node) => `${node.machine.name}: ${node.node()?.said.text.slice(-2_000) ?? 'down'}`)
    assert.fail(`turns that have not ended: ${inspect(last)}; ${where.join('; ')}; ${said.join('\n')}`)
  }
  const commits = await commitsOf(postgres.logs)
  const findings = [...loads.flatMap(({ odd }) => odd), ...interleavings(commits)]
  for (const user of [...users, ...limited]) {
    const arrived = new Map([...outside.payments].filter(([what]) => what.startsWith(`${paying}${user} `)))
    const store = await openPostgresStore({ url: postgres.url, user: user as UserId, pool: 2, durability: 'normal', readOnly: true })
    try {
      // Those whose budget is used up are answered by a refusal.
      const acknowledged = load.acknowledged.get(user) ?? []
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
    epochs: new Set(commits.map(({ user, term, epoch }) => `${user} ${term} ${epoch}`)).size,
    findings,
  }
}
