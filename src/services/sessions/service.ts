import type { Service } from '../../kernel/index.ts'
import { access } from '../access/service.ts'
import { versions } from '../versions/service.ts'

/** Sessions and the turns in them, as terminals begin, read, continue and remove them. */
export const sessions: Service<unknown, { readonly access: typeof access; readonly versions: typeof versions }> = {
  name: 'sessions',
  needs: { access, versions },
  undoes: async (core) => (await import('./undo-scratchpad.ts')).undoScratchpad(core),
  async calls(core, _self, ports) {
    const [{ sessionCalls }, { sessionKeepingCalls }, { forkCall }, { transcriptCalls }, { scratchpadCalls }] = await Promise.all([
      import('./session-calls.ts'),
      import('./session-keeping-calls.ts'),
      import('./fork-call.ts'),
      import('./transcript-calls.ts'),
      import('./scratchpad-calls.ts'),
    ])
    return [
      ...sessionCalls(core),
      ...sessionKeepingCalls(core),
      forkCall({ ...core, ...ports, copyMode: async (...copied) => (await ports.access()).copyMode(...copied) }),
      ...transcriptCalls(core),
      ...scratchpadCalls(core),
    ]
  },
}
