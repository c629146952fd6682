/** Trees of agents, three deep, whose leaves run commands in a real sandbox: from a kill of the root until each leaf stops, and until its processes are gone. */
import { join } from 'node:path'
import { z } from 'zod'
import { createKernel, type Kernel } from '../../src/kernel/index.ts'
import { createSandbox } from '../../src/sandbox/index.ts'
import { parseConfig, services } from '../../src/services/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { type Call, type Engine, type GenerateRequest, type ModelEvent, plainFacts } from '../../src/protocol/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms } from '../report.ts'
import { median } from '../statistics.ts'
import { benchUser, makeWorkspace } from '../subjects/guest.ts'
import { ask } from './calls.ts'

const rounds = 10
const leaves = 4

export const cancel: Measure = {
  name: 'cancel',
  title: 'The end of a tree of agents',
  how: `A kernel in process over SQLite and a sandbox; a root, two agents below it and ${leaves} below those, each with a command that runs; the root is killed. ${rounds} times.`,
  async run() {
    using workspace = makeWorkspace()
    const watch = createWatch()
    const kernel = await openKernel(workspace.root, workspace.database, watch.call)
    try {
      const told: number[] = []
      const gone: number[] = []
      for (let round = 0; round < rounds; round++) {
        const all = watch.begin()
        const { id } = await ask<{ readonly id: string }>(kernel, 'agent.spawn', { task: 'lead', name: 'root', rights })
        await all.running
        const began = performance.now()
        await ask(kernel, 'agent.kill', { agent: id })
        await all.ended
        told.push(Math.max(...all.told) - began)
        gone.push(Math.max(...all.gone) - began)
      }
      const [latest, last] = [Math.max(...told), Math.max(...gone)]
      return [
        bounded('kill → the last leaf stops, at most', ms(latest), `p50 ${ms(median(told))}`, '≤ 100 ms', latest <= 100),
        bounded('kill → its processes are gone, at most', ms(last), `p50 ${ms(median(gone))}`, '≤ 5 s', last <= 5_000),
      ]
    } finally {
      await kernel.close()
    }
  },
}

const rights = ['agent.spawn', 'agent.use', 'bench.run']

/** A call whose command runs until it is cancelled. */
function createWatch() {
  let round = newRound()
  const call: Call = {
    name: 'bench.run',
    files: 'workspace',
    summary: 'Runs until it is cancelled.',
    input: z.strictObject({}),
    output: z.null(),
    example: {},
    tier: 'side_effecting',
    right: 'bench.run',
    effect: 'once',
    audience: ['model'],
    labels: { adds: [], sink: false },
    timeoutMs: 60_000,
    async run(_, { sandbox, signal }) {
      const { told, gone, entered } = round
      signal.addEventListener('abort', () => told.push(performance.now()))
      const hands = await sandbox.hands('work')
      const input = { command: 'sleep 1000 & sleep 1000', cwd: '/tmp', stdin: '', timeoutMs: 60_000, maxOutputBytes: 100 }
      const running = hands.ask('exec', input, { signal, timeoutMs: 60_000 })
      entered()
      await running.catch(() => {})
      gone.push(performance.now())
      round.left()
      return { output: null }
    },
  }
  return { call, begin: () => (round = newRound()) }
}

function newRound() {
  const running = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  let [in_, out] = [0, 0]
  return {
    told: [] as number[],
    gone: [] as number[],
    running: running.promise,
    ended: ended.promise,
    entered(): void {
      // The command has a moment to start its own.
      if ((in_ += 1) === leaves) setTimeout(running.resolve, 100)
    },
    left(): void {
      if ((out += 1) === leaves) ended.resolve()
    },
  }
}

async function openKernel(root: string, database: string, call: Call): Promise<Kernel> {
  const limits = { max_live: 100, max_children: 10, max_starts_per_minute: 1_000_000, max_running: 50 }
  const resources = { cpu_percent: 100, memory_percent: 100, load_per_processor: 1_000, disk_percent: 100 }
  const config = parseConfig({ agents: limits, resources, approval: { privileged: 'allow' } }, 'the benchmark')
  const { sandbox: bounds, browser } = config
  return createKernel({
    services,
    user: benchUser,
    version: '0.0.0',
    config,
    store: await openSqliteStore({ path: database, user: benchUser, durability: 'normal' }),
    engine: leadingModel(),
    sandbox: await createSandbox({ workspaceRoot: join(root), limits: bounds, browser, insecure: false }),
    calls: async () => [call],
    workspaceRoot: root,
    secrets: new Map(),
    clock: systemClock,
    random: systemRandom,
  })
}

/** The root and those below it start two agents each and wait; a leaf runs a command. */
function leadingModel(): Engine {
  const facts = plainFacts({ name: 'quick', provider: 'scripted', contextTokens: 128_000, maxOutputTokens: 8_192, price: null })
  const below: Readonly<Record<string, string>> = { root: 'lead', lead: 'leaf' }
  return {
    async *generate({ system, messages }: GenerateRequest) {
      const name = /You are (\w+)/.exec(system)?.[1] ?? ''
      const next = below[name]
      const spawn = ['agent_spawn', { task: 'go on', name: next, rights }] as const
      const calls = next === undefined ? [['bench_run', {}] as const] : [spawn, spawn, ['agent_wait', {}] as const]
      if (messages.at(-1)?.role === 'tool') yield [{ type: 'text', text: 'done' }]
      else
        yield calls.map(([tool, input], i): ModelEvent => ({
          type: 'tool_call',
          call: { type: 'tool_call', id: `t${i}`, name: tool, arguments: JSON.stringify(input) },
        }))
      yield [{ type: 'finish', reason: 'stop', usage: { inputTokens: 100, outputTokens: 1, estimated: false } }]
    },
    model: facts,
    facts: async () => facts,
    countTokens: async (texts: readonly string[]) => texts.map((text) => text.length / 4),
    estimateInput: async () => 100,
    close: async () => {},
  } as unknown as Engine
}
