/** Delegation in a kernel in this process over a real store: what a delegation adds to the turn of the child, 64 children, switched personas. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Kernel } from '../../src/kernel/index.ts'
import { createIdMaker, type SessionId, systemClock, systemRandom } from '../../src/base/index.ts'
import type { DefinitionText, HostPort } from '../../src/config/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, shown } from '../report.ts'
import { median } from '../statistics.ts'
import { makeWorkspace } from '../subjects/guest.ts'
import { openKernel } from './agents.ts'

const rounds = 100
const children = 64
const childrenOfParent = 8
/** Of each child, 5 ms apart: a second of streaming. */
const words = 200

/** Turns of a conversation before its personas are switched. */
const turnsBefore = 100

const newId = createIdMaker(systemClock, systemRandom)
const definition: DefinitionText = {
  kind: 'agents',
  name: 'helper',
  toml: 'description = "Helps."\nrights = ["system.read"]\n',
  text: 'Help.',
  problem: '',
}
const second: DefinitionText = { ...definition, name: 'second', toml: `${definition.toml}style = "Short."\n` }
const host = { definitions: async () => [definition, second] } as unknown as HostPort

export const delegation: Measure = {
  name: 'delegation',
  title: 'Delegation',
  how: 'A kernel in process over SQLite on disk, with a model that answers at once. A delegation waits for its child; alternately, the same message goes to a new session. Then 64 children at once, each streaming 200 words in a second. Then a conversation of 100 turns switches between two personas 200 times, and a turn shows that each answers.',
  async run() {
    const [over, delegated] = await overhead()
    const { p99, took } = await many()
    const switches = (await switched()).toSorted((a, b) => a - b)
    const last = switches[Math.floor(switches.length * 0.99)]!
    return [
      bounded('delegate over the child’s turn, p50', ms(over), '', '< 10 ms', over < 10),
      shown('delegate, with the child’s turn, p50', ms(delegated)),
      bounded(`${children} children, loop delay p99`, ms(p99), '', '< 50 ms', p99 < 50),
      shown(`${children} children, until all have answered`, ms(took)),
      bounded('persona switch, p50', ms(median(switches)), '', '< 50 ms', median(switches) < 50),
      shown('persona switch, p99', ms(last)),
    ]
  },
}

/** Milliseconds that a delegation adds, and that it takes. */
async function overhead(): Promise<readonly [over: number, delegated: number]> {
  using workspace = makeWorkspace()
  const kernel = await openKernel(workspace.database, () => {}, ['done'], host)
  try {
    const delegations: number[] = []
    const turns: number[] = []
    for (let i = 0; i < rounds + 5; i++) {
      const session = (await kernel.createSession('parent')).id
      const beganTurn = performance.now()
      await turnIn(kernel, session)
      const tookTurn = performance.now() - beganTurn
      const began = performance.now()
      await delegate(kernel, session)
      // The first rounds load what they need.
      if (i >= 5) {
        turns.push(tookTurn)
        delegations.push(performance.now() - began)
      }
    }
    return [median(delegations) - median(turns), median(delegations)]
  } finally {
    await kernel.close()
  }
}

async function many(): Promise<{ readonly p99: number; readonly took: number }> {
  using workspace = makeWorkspace()
  const text = Array.from({ length: words }, (_, i) => `word ${i} `)
  const kernel = await openKernel(workspace.database, () => {}, text, host)
  try {
    const sessions: SessionId[] = []
    for (let i = 0; i < children / childrenOfParent; i++) sessions.push((await kernel.createSession('parent')).id)
    await delegate(kernel, sessions[0]!)
    const delay = monitorEventLoopDelay({ resolution: 5 })
    const began = performance.now()
    delay.enable()
    await Promise.all(sessions.flatMap((session) => Array.from({ length: childrenOfParent }, () => delegate(kernel, session))))
    delay.disable()
    return { p99: delay.percentile(99) / 1e6, took: performance.now() - began }
  } finally {
    await kernel.close()
  }
}

/** @returns milliseconds of each switch */
async function switched(): Promise<readonly number[]> {
  using workspace = makeWorkspace()
  const kernel = await openKernel(workspace.database, () => {}, ['done'], host)
  try {
    const session = (await kernel.createSession('talk')).id
    const speakers = new Set<string>()
    const stop = await kernel.follow(session, 0, (event) => {
      if (event.type !== 'record' || event.record.phase !== 'started') return
      const { agent } = event.record.body as { agent?: { name?: string } }
      speakers.add(agent?.name ?? '')
    })
    for (let i = 0; i < turnsBefore; i++) await turnIn(kernel, session)
    const times: number[] = []
    for (let i = 0; i < 2 * rounds; i++) {
      const agent = i % 2 === 0 ? 'helper' : 'second'
      const began = performance.now()
      const outcome = await kernel.call('session.agent', { agent }, session)
      times.push(performance.now() - began)
      if (outcome.status !== 'ok') throw new Error(JSON.stringify(outcome))
      if (i >= 2 * rounds - 2) await turnIn(kernel, session)
    }
    stop()
    for (const name of ['helper', 'second']) if (!speakers.has(name)) throw new Error(`${name} did not answer`)
    return times
  } finally {
    await kernel.close()
  }
}

async function delegate(kernel: Kernel, session: SessionId): Promise<void> {
  const outcome = await kernel.call('agent.delegate', { agent: 'helper', goal: 'Help me.' }, session)
  if (outcome.status !== 'ok' || (outcome.output as { status: string }).status !== 'success') throw new Error(JSON.stringify(outcome))
}

async function turnIn(kernel: Kernel, session: SessionId): Promise<void> {
  const { turn } = await kernel.sendTurn({ session, clientId: newId() as never, text: 'Help me.' })
  await ended(kernel, session, turn)
}

async function ended(kernel: Kernel, session: SessionId, turn: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const stop = await kernel.follow(session, 0, (event) => {
    if (event.type === 'record' && event.record.phase === 'outcome' && (event.record.call as string) === turn) resolve()
  })
  await promise
  stop()
}
