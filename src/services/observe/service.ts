import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import type { EventBus } from './event-bus.ts'

/** What happens, what runs now, and whether the guest is well. */
export const observe: Service<EventBus, { readonly runs: typeof runs }> = {
  name: 'observation',
  verbs: {
    words: { 'Inspect:': { 'resources [options]': 'show what the machine and the guest use' } },
    load: async () => (await import('./resource-verbs.ts')).resourceVerbs,
  },
  needs: { runs },
  async open(core, ports) {
    const [{ createEventBus }, { pause }] = await Promise.all([import('./event-bus.ts'), ports.runs()])
    return { port: createEventBus({ ...core, pause }) }
  },
  async calls(core, self, ports) {
    const [{ eventCalls }, { nowCalls, resourcesCall }, { healthCall }] = await Promise.all([
      import('./event-calls.ts'),
      import('./now-calls.ts'),
      import('./health-call.ts'),
    ])
    return [
      resourcesCall(ports.runs),
      ...eventCalls({ ...core, eventBus: self }),
      ...nowCalls({ ...core, runs: ports.runs }),
      healthCall({ ...core, runs: ports.runs }),
    ]
  },
}
