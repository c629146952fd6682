import type { Core, Service } from '../../kernel/index.ts'
import { sectionOf } from '../../config/index.ts'
import { auditConfig } from './config.ts'

/** The journal, as people look through it and check it. */
export const audit: Service = {
  name: 'audit',
  config: [auditConfig],
  verbs: { words: {}, within: ['audit'], load: async () => (await import('./archive-verbs.ts')).archiveVerbs },
  begin(core) {
    // `audit verify` finds and records what this cannot.
    const done = core.resumed.then(async () => reconcile(core)).catch(() => {})
    return async () => done
  },
  async turnEnded(core) {
    // Nothing of it is loaded where nothing is archived.
    if (sectionOf(auditConfig, core.config).keep === 0) return () => {}
    return (await import('./archive-due.ts')).createArchiveDue(core)
  },
  calls: async (core) => (await import('./audit-calls.ts')).auditCalls(core),
}

/** Records what a journal of an older version has twice. */
async function reconcile({ store, journal }: Core): Promise<void> {
  if ((await store.indexRows('again', ['', 0], 1)).length > 0) await (await import('./repeats.ts')).reconcileRepeats(store, journal)
}
