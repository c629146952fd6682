/** Delegation in a kernel in this process over a real store: what a delegation adds to the turn of the child, and 64 children at once. */
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

const newId = createIdMaker(systemClock, systemRandom)
const definition: DefinitionText = {
  kind: 'agents',
  name: 'helper',
  toml: 'description = "Helps."\nrights = ["system.read"]\n',
  text: 'Help.',
  problem: '',
}
const host = { definitions: async () => [definition] } as unknown as HostPort

export const delegation: Measure = {
  name: 'delegation',
  title: 'Delegation',
  how: 'A kernel in process over SQLite on disk, with a model that answers at once. A delegation waits for its child; alternately, the same message goes to a new session. Then 64 children at once, each streaming 200 words in a second.',
  async run() {
    const [over, delegated] = await overhead()
    const { p99, took } = await many()
    return [
      bounded('delegate over the child’s turn, p50', ms(over), '', '< 10 ms', over < 10),
      shown('delegate, with the child’s turn, p50', ms(delegated)),
      bounded(`${children} children, loop delay p99`, ms(p99), '', '< 50 ms', p99 < 50),
      shown(`${children} children, until all have answered`, ms(took)),
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
