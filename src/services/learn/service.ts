import type { Service } from '../../kernel/index.ts'
import { learnCall } from '../../protocol/index.ts'

/** Learns facts from what a person has said, after turns, in the background. `memory.learn.enabled = false` turns it off. */
export const learn: Service = {
  name: 'learn',
  // What a model is still to read, of a guest that has ended.
  wakes: ['system/learn'],
  calls: async (core) => [(await import('./learn-call.ts')).learnCallOf(core)],
  async open({ background, config, resumed }) {
    const recover = async (): Promise<void> => {
      if (config.memory.learn.enabled) void resumed.then(() => background.run('', learnCall, { ask: true })).catch(() => {})
    }
    return { port: undefined, recover }
  },
  async turnEnded(core) {
    return core.memory === undefined ? () => {} : (await import('./learn-due.ts')).createLearnDue(core, core.memory)
  },
}
