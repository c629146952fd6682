import type { Service } from '../../kernel/index.ts'
import { versions } from '../versions/service.ts'

/** The configuration, secrets and folders, as terminals of the owner change them. */
export const settings: Service<unknown, { readonly versions: typeof versions }> = {
  name: 'settings',
  needs: { versions },
  neverPassedOn: ['config.write'],
  events: ['config'],
  // Only under a runner there are files that somebody can change.
  left: ({ host }) => host !== undefined,
  async open(core) {
    const { keepRecorded } = await import('./taken-config.ts')
    return { port: null, recover: () => keepRecorded(core) }
  },
  calls: async (core, _self, ports) => (await import('./settings-calls.ts')).settingsCalls({ ...core, versions: ports.versions }),
}
