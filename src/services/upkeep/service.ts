import type { Service } from '../../kernel/index.ts'

/** Summaries, titles and the tidying of memory: what is done in the background for conversations that have become long or old. */
export const upkeep: Service = {
  name: 'upkeep',
  verbs: { words: {}, within: ['memory'], load: async () => (await import('./tidy-verbs.ts')).tidyVerbs },
  async calls(core) {
    const [{ summaryCalls, titleCall }, { tidyCalls }] = await Promise.all([import('./summary-calls.ts'), import('./tidy-calls.ts')])
    return [...summaryCalls(core), titleCall(core), ...tidyCalls(core)]
  },
  async turnEnded(core) {
    const { createTidyDue, createTitleDue } = await import('./due.ts')
    const dues = [createTidyDue(core), createTitleDue(core)]
    return (record) => dues.forEach((due) => due(record))
  },
}
