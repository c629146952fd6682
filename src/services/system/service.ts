import type { Service } from '../../kernel/index.ts'

/** Calls about the system itself: its other calls, outputs that were truncated, files of messages. */
export const system: Service = {
  name: 'system',
  async calls(core) {
    const [{ systemCalls }, { toolSearchCall }] = await Promise.all([import('./system-calls.ts'), import('./tool-search-call.ts')])
    return [...systemCalls(core), toolSearchCall(core)]
  },
}
