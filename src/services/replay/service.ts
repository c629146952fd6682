import type { Service } from '../../kernel/index.ts'
import { models } from '../models/service.ts'
import { versions } from '../versions/service.ts'

/** Sessions that run again from their records, are compared, exported and imported. */
export const replay: Service<unknown, { readonly models: typeof models; readonly versions: typeof versions }> = {
  name: 'replay',
  needs: { models, versions },
  verbs: {
    words: {
      'Talk:': {
        'fork [options] <session>': 'start a new session from a point in another one, on a branch of the files as they were then',
      },
      'Inspect:': { 'replay [options] <session>': 'run a session again offline from its records, and name the first divergence' },
    },
    within: ['sessions'],
    load: async () => (await import('./replay-verbs.ts')).replayVerbs,
  },
  async calls(core, _self, ports) {
    const [{ replayCalls }, { diffCall }, { transferCalls }] = await Promise.all([
      import('./replay-calls.ts'),
      import('./diff-calls.ts'),
      import('./transfer-calls.ts'),
    ])
    return [...replayCalls({ ...core, models: ports.models }), diffCall({ ...core, versions: ports.versions }), ...transferCalls(core)]
  },
}
