import type { Core, Service } from '../../kernel/index.ts'

/** The journal, as people look through it and check it. */
export const audit: Service = {
  name: 'audit',
  begin(core) {
    // `audit verify` finds and records what this cannot.
    const done = core.resumed.then(async () => reconcile(core)).catch(() => {})
    return async () => done
  },
  calls: async (core) => (await import('./audit-calls.ts')).auditCalls(core),
}

/** Records what a journal of an older version has twice. */
async function reconcile({ store, journal }: Core): Promise<void> {
  if ((await store.indexRows('again', ['', 0], 1)).length > 0) await (await import('./repeats.ts')).reconcileRepeats(store, journal)
}
