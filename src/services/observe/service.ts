import type { Service } from '../../kernel/index.ts'

/** What happens, what runs now, and whether the guest is well. */
export const observe: Service = {
  name: 'observation',
  async calls(core) {
    const [{ eventCalls }, { nowCalls, resourcesCall }, { healthCall }] = await Promise.all([
      import('./event-calls.ts'),
      import('./now-calls.ts'),
      import('./health-call.ts'),
    ])
    return [resourcesCall(core), ...eventCalls(core), ...nowCalls(core), healthCall(core)]
  },
}
