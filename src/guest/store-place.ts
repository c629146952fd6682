/** Whether a guest may open the store that is configured: one that is isolated cannot reach a server, and the nodes of a cluster share one. */
import { OxbowError } from '../base/index.ts'
import type { GuestEnvelope } from '../config/index.ts'
import { storeAddress } from '../store/index.ts'

/** @throws OxbowError `bad_config` for a store that an isolated guest cannot reach */
export function assertReachable(choice: Parameters<typeof storeAddress>[0], isIsolated: boolean): void {
  if (!isIsolated || storeAddress(choice) === '') return
  throw new OxbowError('bad_config', 'An isolated guest has no network and cannot reach a store in Postgres.', {
    hint: 'Set sandbox.isolate_guest = false (tools stay in their sandbox), or leave store.url empty.',
  })
}

/**
 * @throws OxbowError `bad_config` as `assertReachable`; on a node of a cluster also for a start by anybody but the node, and for a store that others
 * cannot reach
 */
export function assertPlaced({ user, config, keys, lease, isolation }: GuestEnvelope): void {
  assertReachable({ config: config.store, environment: keys }, isolation !== undefined)
  if (config.cluster.nats.length === 0) return
  if (storeAddress({ config: config.store, environment: keys }) === '')
    throw new OxbowError('bad_config', 'A cluster needs its store in Postgres, where every node reaches it.', {
      hint: 'Move it there: oxbow store move postgres://oxbow@host/oxbow, and set store.url.',
    })
  if (lease === undefined)
    throw new OxbowError('bad_config', `This machine belongs to a cluster, whose nodes start the guests, and ${user} does not run on it.`, {
      hint: `oxbow cluster where ${user} --wake starts it, and says where it runs: use it there, or have it moved to a node that runs here: oxbow cluster move ${user} NODE`,
    })
}
