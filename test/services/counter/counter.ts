/** What the counter does: its port, and its calls. */
import { z } from 'zod'
import type { Core } from '../../../src/kernel/index.ts'
import { type CallId, OxbowError } from '../../../src/base/index.ts'
import type { Call } from '../../../src/protocol/index.ts'
import { sectionOf } from '../../../src/config/index.ts'
import { counterConfig } from './config.ts'

interface Count {
  readonly at: number
}

export interface Counter {
  /** @returns the count after it. @throws OxbowError `limit_reached` beyond `counter.most` */
  add(of: Parameters<Change>[0], by: number): Promise<number>
  now(): Promise<number>
  /** How often the guest has started with a count. */
  readonly recovered: () => number
}

type Change = Core['documents']['change']

const category = 'system/counter'

export async function openCounter({ documents, config: all }: Core): Promise<{ readonly port: Counter; recover(): Promise<void> }> {
  const { most } = sectionOf(counterConfig, all)
  if (most === 666) throw new Error('it does not count as far as that')
  let recovered = 0
  const port: Counter = {
    async add(of, by) {
      const value = await documents.change<Count>(of, category, 'count', (current) => {
        const at = (current?.value.at ?? 0) + by
        if (at > most) throw new OxbowError('limit_reached', `The counter stops at ${most}.`, { hint: 'Raise `counter.most`.' })
        return { at }
      })
      return value?.at ?? 0
    },
    now: async () => (await documents.get<Count>(category, 'count'))?.value.at ?? 0,
    recovered: () => recovered,
  }
  return { port, recover: async () => void recovered++ }
}

export const counterCalls = (self: () => Promise<Counter>): readonly Call[] => [addCall(self), showCall(self)]

const parts = {
  tier: 'side_effecting',
  right: 'state.write',
  audience: ['model', 'terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 5_000,
} as const satisfies Partial<Call>

function addCall(self: () => Promise<Counter>): Call<{ by: number }, { count: number }> {
  return {
    ...parts,
    name: 'counter.add',
    summary: 'Counts on.',
    effect: 'once',
    input: z.strictObject({ by: z.int().min(1).default(1).describe('How many.') }),
    output: z.strictObject({ count: z.int() }),
    example: { by: 2 },
    recordOutput: ({ count }) => ({ count }),
    event: ({ count = 0 }) => ({ kind: 'counter_moved', fields: { count } }),
    async run({ by }, { caller, id }) {
      const count = await (await self()).add({ caller, call: id satisfies CallId, name: 'counter.add' }, by)
      return { output: { count } }
    },
  }
}

function showCall(self: () => Promise<Counter>): Call<object, { count: number; recovered: number }> {
  return {
    ...parts,
    name: 'counter.show',
    summary: 'Shows the count.',
    tier: 'read_only',
    right: 'state.read',
    effect: 'none',
    input: z.strictObject({}),
    output: z.strictObject({ count: z.int(), recovered: z.int() }),
    example: {},
    async run() {
      const port = await self()
      return { output: { count: await port.now(), recovered: port.recovered() } }
    },
  }
}
