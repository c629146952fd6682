/** Agents in a kernel in this process over a real store: from the call that spawns one until it runs, and what many idle ones cost. */
import { createKernel, type Kernel } from '../../src/kernel/index.ts'
import { createFakeSandbox } from '../../src/sandbox/fake/fake-sandbox.ts'
import { parseConfig, services } from '../../src/services/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { type Engine, plainFacts } from '../../src/protocol/index.ts'
import type { HostPort } from '../../src/config/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, megabytes, ms, shown } from '../report.ts'
import { median } from '../statistics.ts'
import { benchUser, makeWorkspace } from '../subjects/guest.ts'
import { ask } from './calls.ts'

const spawns = 100
const idleSeconds = 5

export const agents: Measure = {
  name: 'agents',
  title: 'Agents',
  how: 'A kernel in process over SQLite on disk, with a model that answers at once. Spawn to running: from the call until it returns an agent that runs. Idle agents have answered once and wait for messages.',
  async run({ plan }) {
    using workspace = makeWorkspace()
    let onAsked = (): void => {}
    const kernel = await openKernel(workspace.database, () => onAsked())
    try {
      await spawn(kernel, 'first')
      const took: number[] = []
      const asks: number[] = []
      for (let i = 0; i < spawns; i++) {
        const asked = new Promise<void>((resolve) => (onAsked = resolve))
        const began = performance.now()
        const { id, state } = await spawn(kernel, `agent ${i}`)
        if (state !== 'running') throw new Error(`it is ${state}`)
        took.push(performance.now() - began)
        await asked
        asks.push(performance.now() - began)
        await settled(kernel, id)
      }
      onAsked = () => {}
      global.gc?.()
      const before = process.memoryUsage.rss()
      const ids: string[] = []
      for (let i = 0; i < plan.idleSessions; i++) ids.push((await spawn(kernel, `idle ${i}`)).id)
      for (const id of ids.toReversed()) await settled(kernel, id)
      global.gc?.()
      const added = process.memoryUsage.rss() - before
      const cpu = process.cpuUsage()
      await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1_000))
      const { user, system } = process.cpuUsage(cpu)
      const percent = (user + system) / (idleSeconds * 10_000)
      const p50 = median(took)
      return [
        bounded('spawn → running, p50', ms(p50), '', '< 5 ms', p50 < 5),
        shown('spawn → its model is asked, p50', ms(median(asks))),
        bounded(`memory of ${plan.idleSessions} idle agents`, megabytes(added), '', '< 500 MB', added < 500e6),
        bounded(`processor use of ${plan.idleSessions} idle agents`, `${percent.toFixed(2)} %`, '', '< 5 %', percent < 5),
      ]
    } finally {
      await kernel.close()
    }
  },
}

const nextWord = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

function spawn(kernel: Kernel, task: string): Promise<{ readonly id: string; readonly state: string }> {
  return ask(kernel, 'agent.spawn', { task, keep: true, rights: ['system.read'] })
}

async function settled(kernel: Kernel, id: string): Promise<void> {
  await ask(kernel, 'agent.wait', { agents: [id], timeout_s: 60 })
}

/** @param words that the model writes, one after another */
export async function openKernel(path: string, onAsked: () => void, words: readonly string[] = ['done'], host?: HostPort): Promise<Kernel> {
  const limits = { max_live: 10_000, max_children: 10_000, max_starts_per_minute: 1_000_000, max_running: 50 }
  // The bench itself is no reason to hold agents back.
  const resources = { cpu_percent: 100, memory_percent: 100, load_per_processor: 1_000, disk_percent: 100 }
  const facts = plainFacts({ name: 'quick', provider: 'scripted', contextTokens: 128_000, maxOutputTokens: 8_192, price: null })
  const engine: Engine = {
    async *generate() {
      onAsked()
      for (const text of words) {
        if (words.length > 1) await nextWord()
        yield [{ type: 'text', text }]
      }
      yield [{ type: 'finish', reason: 'stop', usage: { inputTokens: 100, outputTokens: 1, estimated: false } }]
    },
    model: facts,
    facts: async () => facts,
    countTokens: async (texts) => texts.map((text) => text.length / 4),
    decodeTokens: async (lists) => lists.map(() => null),
    estimateInput: async () => 100,
    embed: () => Promise.reject(new Error('nothing is embedded')),
    repairs: () => ({}),
    close: async () => {},
  }
  return createKernel({
    services,
    user: benchUser,
    version: 'bench',
    config: parseConfig({ agents: limits, resources }, 'the bench'),
    store: await openSqliteStore({ path, user: benchUser, durability: 'normal', exclusive: true }),
    engine,
    sandbox: createFakeSandbox(),
    calls: async () => [],
    workspaceRoot: '',
    secrets: new Map(),
    clock: systemClock,
    random: systemRandom,
    host,
  })
}
