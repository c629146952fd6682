import type { Service } from '../../kernel/index.ts'

/** The host of the guest, as terminals of the owner see and change it: plugins that are installed there, users, the log, the end of the guest. */
export const machine: Service = {
  name: 'machine',
  calls: async (core) => (await import('./machine-calls.ts')).machineCalls(core),
}
