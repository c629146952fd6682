/** Programs of others that are told nothing private, for tests of all else. */
import type { Provenance, ToldLabels } from './origin.ts'

export const untold: { readonly heldBy: () => Provenance; readonly told: ToldLabels } = {
  heldBy: () => ({ labels: [], from: [] }),
  told: {
    of: async () => ({ labels: [], from: [] }),
    tell: async () => {},
    newHosts: async () => [],
    clear: async () => {},
    list: async () => [],
  },
}
