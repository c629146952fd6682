import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'

/** What happens, what runs now, and whether the guest is well. */
export const observe: Service<unknown, { readonly runs: typeof runs }> = {
  name: 'observation',
  needs: { runs },
  async calls(core, _self, ports) {
    const [{ eventCalls }, { nowCalls, resourcesCall }, { healthCall }] = await Promise.all([
      import('./event-calls.ts'),
      import('./now-calls.ts'),
      import('./health-call.ts'),
    ])
    return [resourcesCall(core), ...eventCalls(core), ...nowCalls({ ...core, runs: ports.runs }), healthCall(core)]
  },
}
