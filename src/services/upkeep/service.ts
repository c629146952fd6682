import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'

/** Summaries, titles and the tidying of memory: what is done in the background for conversations that have become long or old. */
export const upkeep: Service<unknown, { readonly runs: typeof runs }> = {
  name: 'upkeep',
  verbs: { words: {}, within: ['memory'], load: async () => (await import('./tidy-verbs.ts')).tidyVerbs },
  needs: { runs },
  async calls(core, _self, ports) {
    const [{ summaryCalls, titleCall }, { tidyCalls }] = await Promise.all([import('./summary-calls.ts'), import('./tidy-calls.ts')])
    return [...summaryCalls(core), titleCall(core), ...tidyCalls({ ...core, runs: ports.runs })]
  },
  undoes: async ({ memory }) => (memory === undefined ? { noted: [], plan: async () => [] } : memory.undo()),
  async memoryHost(core) {
    return (await import('./memory-host.ts')).createMemoryHost(core)
  },
  async turnEnded(core) {
    const { createTidyDue, createTitleDue } = await import('./due.ts')
    const dues = [createTidyDue(core), createTitleDue(core)]
    return (record) => dues.forEach((due) => due(record))
  },
}
