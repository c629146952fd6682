import type { Core, Service } from '../kernel/index.ts'
import type { Runs } from './runs.ts'

/** What all other services do later, or longer than a call. */
export const runs: Service<Runs> = {
  name: 'runs',
  async open(core) {
    const port = await openRuns(core)
    return { port, close: port.close }
  },
}

async function openRuns({ user, store, documents, clock, random, config, resources }: Core): Promise<Runs> {
  const [{ createRuns }, { createQueue }] = await Promise.all([import('./runs.ts'), import('./queue.ts')])
  const queue = createQueue({ ...resources, config: config.agents, clock })
  return createRuns({ store, documents, clock, random, queue, worker: `guest:${user}` })
}
