import type { Service } from '../../kernel/index.ts'

/** Sessions and the turns in them, as terminals begin, read, continue and remove them. */
export const sessions: Service = {
  name: 'sessions',
  async calls(core) {
    const [{ sessionCalls }, { sessionKeepingCalls }, { transcriptCalls }, { scratchpadCalls }] = await Promise.all([
      import('./session-calls.ts'),
      import('./session-keeping-calls.ts'),
      import('./transcript-calls.ts'),
      import('./scratchpad-calls.ts'),
    ])
    return [...sessionCalls(core), ...sessionKeepingCalls(core), ...transcriptCalls(core), ...scratchpadCalls(core)]
  },
}
