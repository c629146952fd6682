import type { Service } from '../../kernel/index.ts'
import type { DataHandles } from './data-handles.ts'

/** Readings of sources that nobody trusts, and the handles by which an agent passes on what it has not read. */
export const extract: Service<DataHandles> = {
  name: 'extract',
  calls: async (core, data) => [(await import('./extract-call.ts')).extractCall({ ...core, data })],
  open: async ({ documents }) => ({ port: (await import('./data-handles.ts')).createDataHandles(documents) }),
  fill: (_core, data) => async (caller, input) => (await data()).fill(caller, input),
}
