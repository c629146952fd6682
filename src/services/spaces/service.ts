import type { Service } from '../../kernel/index.ts'
import { flow } from '../flow/service.ts'

/** What a person moves from this space to another and back. A guest knows no other space: the terminal carries it, on record in both. */
export const spaces: Service<unknown, { readonly flow: typeof flow }> = {
  name: 'spaces',
  needs: { flow },
  calls: async (core, _self, ports) => (await import('./space-calls.ts')).spaceCalls({ ...core, flow: () => ports.flow() }),
}
