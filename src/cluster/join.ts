/** This machine as a node, from its configuration to the end of the program that runs it. */
import { freemem, hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { OxbowError, systemClock } from '../base/index.ts'
import type { ClusterConfig, GuestLease } from '../config/index.ts'
import { ensureGuest, type GuestSetup } from '../runner/index.ts'
import { openDoor } from './door.ts'
import { oldGuestMs } from './limits.ts'
import { openClusterLink } from './nats-link.ts'
import { type ClusterNode, type NodeGuest, startNode } from './node.ts'

export interface JoinOptions {
  readonly config: ClusterConfig
  readonly version: string
  /** How a user's guest is started. @throws OxbowError for files that cannot be used */
  readonly setup: (user: string) => GuestSetup
  readonly say: (text: string) => void
}

interface JoinedNode extends Pick<ClusterNode, 'view' | 'wake'> {
  readonly name: string
  readonly url: string
  close(): Promise<void>
}

/** @returns the name of this machine's node */
function nodeName({ node }: Pick<ClusterConfig, 'node'>): string {
  const name =
    node ||
    hostname()
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .replace(/^-+/, '')
      .slice(0, 40)
  if (name !== '') return name
  throw new OxbowError('bad_config', 'This machine has no name that can be the one of a node.', { hint: 'Set cluster.node.' })
}

/** @throws OxbowError where the cluster cannot be reached, or another node has this name */
export async function joinCluster({ config, version, setup, say }: JoinOptions): Promise<JoinedNode> {
  const name = nodeName(config)
  const door = await openDoor(config.door, name)
  const url = config.door.url || door.url
  try {
    const link = await openClusterLink(config)
    try {
      const other = (await link.all()).nodes.find((node) => node.name === name && node.url !== url)
      // One that was killed a moment ago had another port, where the system chooses it.
      if (other !== undefined && (await answers(other.url, name)))
        throw new OxbowError('bad_config', `Another node of this cluster has the name ${name} (${other.url}).`, {
          hint: 'Give each node a name of its own: cluster.node.',
        })
      const node = await startNode({
        link,
        clock: systemClock,
        name,
        url,
        version,
        labels: config.labels,
        capacity: config.capacity,
        freeMb: () => freemem() / 2 ** 20,
        startGuest: (user, lease) => startFor(setup, user, lease),
        say,
      })
      door.open(node)
      return {
        name,
        url,
        view: node.view,
        wake: node.wake,
        async close() {
          await node.close()
          await door.close()
        },
      }
    } catch (error) {
      await link.close()
      throw error
    }
  } catch (error) {
    await door.close()
    throw error
  }
}

/** @returns whether a node with this name answers at its door */
export async function answers(url: string, name: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) })
    return ((await response.json()) as { readonly node?: unknown }).node === name
  } catch {
    return false
  }
}

/** A guest of this node from before, whose node process was killed, ends by itself: its successor waits for that. */
async function startFor(setup: JoinOptions['setup'], user: string, lease: GuestLease): Promise<NodeGuest> {
  for (const until = performance.now() + oldGuestMs; ;) {
    const guest = await ensureGuest({ ...setup(user), lease })
    if (guest.owned) return guest
    if (performance.now() > until)
      throw new OxbowError('workspace_busy', `Process ${guest.pid} already runs the guest of ${user} on this machine.`, {
        hint: 'End it: only the nodes of a cluster start guests.',
      })
    await sleep(100)
  }
}
