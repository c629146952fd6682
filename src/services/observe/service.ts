import type { Service } from '../../kernel/index.ts'
import type { EventBus } from './event-bus.ts'

/** What happens, what runs now, and whether the guest is well. */
export const observe: Service<EventBus> = {
  name: 'observation',
  verbs: {
    words: { 'Inspect:': { resources: 'show what the machine and the guest use' } },
    load: async () => (await import('./resource-verbs.ts')).resourceVerbs,
  },
  open: async (core) => ({ port: (await import('./event-bus.ts')).createEventBus(core) }),
  async calls(core, self) {
    const [{ eventCalls }, { nowCalls, resourcesCall }, { healthCall }] = await Promise.all([
      import('./event-calls.ts'),
      import('./now-calls.ts'),
      import('./health-call.ts'),
    ])
    return [resourcesCall(core), ...eventCalls({ ...core, eventBus: self }), ...nowCalls(core), healthCall(core)]
  },
}
