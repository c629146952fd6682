import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import { access } from '../access/service.ts'
import type { OpenTasks } from './open-tasks.ts'

/** Agents that are published to programs of others, which send them tasks. */
export const published: Service<OpenTasks, { readonly access: typeof access; readonly runs: typeof runs }> = {
  name: 'published agents',
  needs: { access, runs },
  wakes: ['system/open_tasks'],
  calls: async (core, open) => (await import('./published-calls.ts')).publishedCalls({ ...core, open }),
  async open(core, ports) {
    const [{ openOpenTasks }, held, judging] = await Promise.all([import('./open-tasks.ts'), ports.runs(), ports.access()])
    const port = openOpenTasks({ ...core, runs: held, access: judging })
    return { port, recover: port.load }
  },
}
