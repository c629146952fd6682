/** Both sides of hands on other nodes, as this machine's node has them: what it gives to others, and what its own guests ask of them. */
import type { Clock } from '../../base/index.ts'
import type { ClusterConfig, Config } from '../../config/index.ts'
import { loadFarEnds } from '../../sandbox/index.ts'
import { openHandsHome, type HandsHome } from './hands-home.ts'
import { startHandsHost, type HandsHost } from './hands-host.ts'
import type { HandsQueue } from './hands-queue.ts'

/** Where this machine keeps what it has for others, and how it isolates that. */
export interface HandsMachine {
  readonly config: Pick<Config, 'sandbox' | 'browser'>
  readonly folder: string
  readonly imageFolder: string
}

export interface NodeHandsDeps {
  readonly queue: HandsQueue
  readonly clock: Clock
  readonly node: string
  readonly url: string
  readonly config: Pick<ClusterConfig, 'labels' | 'hands'>
  readonly machine: HandsMachine
  /** How doors of other nodes are spoken to; see `dial`. */
  readonly wire?: ((node: string) => object) | undefined
  readonly say: (text: string) => void
}

export interface NodeHands extends Pick<HandsHost, 'takes' | 'used'>, Pick<HandsHome, 'listen'> {
  /** Ends what this node has for others; its own guests go on. */
  leave(): Promise<void>
  close(): Promise<void>
}

export async function openNodeHands({ queue, clock, node, url, config, machine, wire, say }: NodeHandsDeps): Promise<NodeHands> {
  const ends = await loadFarEnds()
  const home = openHandsHome({ queue, node, ends, wire })
  const host = await startHandsHost({
    queue,
    clock,
    node,
    url,
    labels: config.labels,
    capacity: config.hands.capacity,
    ends,
    places: ends.openFarPlaces(machine),
    say,
  })
  return {
    takes: host.takes,
    used: host.used,
    listen: home.listen,
    leave: host.close,
    close: home.close,
  }
}
