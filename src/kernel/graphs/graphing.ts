/**
 * Connects graphs with the rest of the kernel: what runs use of it, and what calls do with them. It is loaded with the first call about a
 * graph, and at the start of a guest that has runs; most guests have none.
 */
import { once, type TurnId } from '../../types/index.ts'
import type { GraphDesk } from './graph-calls.ts'
import type { GraphingDeps } from './graph-desk.ts'
import type { GraphRun } from './graph-record.ts'
import type { GraphRuns } from './graph-runs.ts'

export interface Graphing {
  readonly graphs: () => Promise<GraphDesk>
  /** Whether a run goes on after a restart. */
  readonly goesOn: (run: TurnId) => Promise<boolean>
  /** Goes on with runs that a restart interrupted. */
  readonly startGraphs: () => Promise<void>
  readonly stopGraphs: () => Promise<void>
}

export function createGraphing(deps: GraphingDeps): Graphing {
  let loaded: GraphRuns | null = null
  const graphs = once(async () => {
    const { createGraphDesk } = await import('./graph-desk.ts')
    const { desk, runs } = createGraphDesk(deps)
    loaded = runs
    await runs.start()
    return desk
  })
  return {
    graphs,
    goesOn: async (run) => (await deps.documents.get<GraphRun>('system/graph_runs', run))?.value.status === 'running',
    async startGraphs() {
      if ((await deps.documents.list('system/graph_runs', 1)).length > 0) await graphs()
    },
    stopGraphs: async () => loaded?.stop(),
  }
}
