/**
 * A counter: the smallest service with all usual parts. `counter.test.ts` puts it into a guest. This file is a part of each start, so it has
 * data and types, and loads the rest when it is used.
 */
import type { Service } from '../../../src/kernel/index.ts'
import { counterConfig } from './config.ts'
import type { Counter } from './counter.ts'

export const counter: Service<Counter> = {
  name: 'counter',
  config: [counterConfig],
  wakes: ['system/counter'],
  events: ['counter'],
  verbs: {
    words: { 'Build and extend:': { counter: 'count, up to a limit' } },
    load: async () => (await import('./verbs.ts')).counterVerbs,
  },
  calls: async (_core, self) => (await import('./counter.ts')).counterCalls(self),
  open: async (core) => (await import('./counter.ts')).openCounter(core),
  section: async (_core, self) => async () => `The counter stands at ${await (await self()).now()}.`,
  async *health(_core, self) {
    const says = `stands at ${await (await self()).now()}`
    yield { name: 'counter', state: 'ok', says, fix: '', required: false, ms: 0 }
  },
}
