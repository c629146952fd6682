import type { Service } from '../../kernel/index.ts'

/** The configuration, secrets and folders, as terminals of the owner change them. */
export const settings: Service = {
  name: 'settings',
  calls: async (core) => (await import('./settings-calls.ts')).settingsCalls(core),
}
