import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import { versions } from '../versions/service.ts'
import type { ApplyRuns } from './apply-run.ts'

/** Tasks that are tried before they are done: what an agent would do, and doing exactly that. */
export const plans: Service<ApplyRuns, { readonly runs: typeof runs; readonly versions: typeof versions }> = {
  name: 'plans',
  needs: { runs, versions },
  // Whoever applies a plan answers in the place of a person for what it lists.
  neverPassedOn: ['plan.apply'],
  wakes: ['system/plan_runs'],
  verbs: {
    words: {
      'Talk:': {
        'plan [options] <text...>': 'have a task tried on a branch, and see what it would do before it does it',
        'apply [options] <plan>': 'do exactly what a plan lists',
      },
    },
    load: async () => (await import('./plan-verbs.ts')).planVerbs,
  },
  calls: async (core, self, ports) => (await import('./plan-calls.ts')).planCalls({ ...core, applying: self, versions: ports.versions }),
  async open(core, ports) {
    const { createApplyRuns } = await import('./apply-run.ts')
    const port = createApplyRuns({ ...core, runs: await ports.runs(), versions: ports.versions })
    return { port, recover: async () => (await import('./left-plans.ts')).takeUp(core, port, ports.versions) }
  },
  judges: {
    decides: ['findRule'],
    // Only where a plan was ever applied: asked of every call that asks.
    load: async ({ documents }, self) => ({
      findRule: async (asking) => ((await documents.list('system/plan_runs', 1)).length === 0 ? null : (await self()).rule(asking)),
    }),
  },
  runs: async ({ documents }) => ({
    goesOn: async (run) => (await import('./left-plans.ts')).goesOn(documents, run),
  }),
}
