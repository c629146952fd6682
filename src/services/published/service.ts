import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import type { OpenTasks } from './open-tasks.ts'

/** Agents that are published to programs of others, which send them tasks. */
export const published: Service<OpenTasks, { readonly runs: typeof runs }> = {
  name: 'published agents',
  needs: { runs },
  wakes: ['system/open_tasks'],
  calls: async (core, open) => (await import('./published-calls.ts')).publishedCalls({ ...core, open }),
  async open(core, ports) {
    const [{ openOpenTasks }, held] = await Promise.all([import('./open-tasks.ts'), ports.runs()])
    const port = openOpenTasks(core, held)
    return { port, recover: port.load }
  },
}
