import type { Core, Service } from '../kernel/index.ts'
import { sectionOf } from '../config/index.ts'
import { queueConfig, resourcesConfig } from './config.ts'
import type { Resources } from './resources.ts'
import type { Runs } from './runs.ts'
import type { Turns } from './turns.ts'

export interface RunsPort extends Runs {
  /** What the machine and this guest use; where that is too much, the queue starts nothing. */
  readonly resources: Resources
  /** Runs that are turns. */
  readonly turns: Turns
}

/** What all other services do later, or longer than a call. */
export const runs: Service<RunsPort> = {
  name: 'runs',
  config: [resourcesConfig, queueConfig],
  begin({ config }, self) {
    // The first sample is taken behind all that a start does.
    const later = setTimeout(
      () => void self().then(({ resources }) => resources.snapshot(), notNow),
      sectionOf(resourcesConfig, config).interval_s * 1_000,
    )
    later.unref()
    return async () => clearTimeout(later)
  },
  // A turn that waits for a person lends its place. The person decides when it goes on, so it may go on beyond the limit.
  runs: async (_, self) => ({
    async watch(session) {
      const { queue } = await self()
      return { pause: () => null, onWait: (isWaiting) => (isWaiting ? queue.pause(session) : void queue.resume(session, true)) }
    },
  }),
  async open(core) {
    const port = await openRuns(core)
    return {
      port,
      async close() {
        port.resources.stop()
        await port.close()
      },
    }
  },
}

/** `oxbow status` names a service that does not open. */
function notNow(): void {}

async function openRuns(core: Core): Promise<RunsPort> {
  const { user, store, documents, clock, random, config, disk, noteEvent } = core
  const [{ createRuns }, { createQueue }, { createResources }, { createTurns }] = await Promise.all([
    import('./runs.ts'),
    import('./queue.ts'),
    import('./resources.ts'),
    import('./turns.ts'),
  ])
  const onOverload = (reasons: readonly string[]): void =>
    noteEvent(reasons.length > 0 ? 'overloaded' : 'recovered', { reasons: [...reasons] })
  const resources = createResources({ config: sectionOf(resourcesConfig, config), clock, disk, onOverload })
  resources.start()
  const queue = createQueue({ ...resources, config: sectionOf(queueConfig, config), clock })
  const held = createRuns({ store, documents, clock, random, queue, worker: `guest:${user}` })
  return { ...held, resources, turns: createTurns(core, held) }
}
