/** The two doors of a node: one for people, one for the other nodes. Both are open before the node takes users. */
import type { Agent } from 'node:https'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/index.ts'
import type { ClusterConfig } from '../../config/index.ts'
import { loadDoorParts } from '../../gateway/index.ts'
import { loadServerReader } from '../../store/index.ts'
import type { ClusterNode } from '../node.ts'
import type { NodeIdentity } from '../trust/node-identity.ts'
import { agentTo } from '../trust/node-requests.ts'
import type { Revocations } from '../trust/revocations.ts'
import { createDoorAnswers } from './door-answers.ts'
import { readDoorTls } from './door-files.ts'
import { createDoorKeys } from './door-keys.ts'
import { createForwarding } from './forwarding.ts'
import { closeServer } from './listening.ts'
import { openPeerDoor, type PeerTakes } from './peer-door.ts'
import { openPeopleDoor } from './people-door.ts'

export interface Doors {
  /** Where people reach this node. */
  readonly url: string
  /** Where the other nodes reach it. */
  readonly peerUrl: string
  /** From now on requests are forwarded; before, they are asked to come again. */
  open(node: ClusterNode): void
  /** @returns how many requests and terminals of a user go to a guest on this machine */
  underWay(user: string): number
  /** @param takes connections of other nodes that are for no user, such as those for hands; returns false for all others */
  between(takes: PeerTakes): void
  /** Connections to the door for nodes of another node. */
  agentTo(node: string): Agent
  /** The certificate was renewed. */
  show(identity: NodeIdentity): void
  close(): Promise<void>
}

export interface DoorsOptions {
  readonly config: ClusterConfig
  readonly identity: NodeIdentity
  /** Of the home, with what it knows of its cluster. */
  readonly folder: string
  readonly revocations: Revocations
  /** Address of the store, with the keys of all users. */
  readonly storeUrl: string
}

/** @throws OxbowError `bad_config` where a door cannot listen, or would send keys in clear */
export async function openDoors({ config, identity, folder, revocations, storeUrl }: DoorsOptions): Promise<Doors> {
  const tls = readDoorTls(config.door)
  const [parts, { openServerReader }] = await Promise.all([loadDoorParts(), loadServerReader()])
  const answers = createDoorAnswers(parts)
  // Closed from the last to the first, and where a door cannot be opened.
  await using opened = new AsyncDisposableStack()
  const store = opened.adopt(openServerReader(storeUrl), (made) => made.close())
  let node: ClusterNode | null = null
  let shown = identity
  const agents = new Map<string, Agent>()
  const agentOf = (name: string): Agent => {
    const known = agents.get(name) ?? agentTo(shown, name, revocations)
    agents.set(name, known)
    return known
  }
  opened.defer(() => {
    for (const agent of agents.values()) agent.destroy()
    agents.clear()
  })
  const forwarding = opened.adopt(createForwarding({ node: () => node, agentTo: agentOf, answers }), (made) => made.close())
  const shared = { answers, forwarding, isReady: () => node !== null }
  const keys = createDoorKeys({ parts, store, now: systemClock.now })
  const isTaken = (name: string): boolean => node?.view.node(name) != null
  const ownPeer = { config: config.peer, identity, folder, revocations, isTaken, now: systemClock.now }
  const peer = opened.adopt(await openPeerDoor({ ...shared, ...ownPeer }), ({ server }) => closeServer(server))
  const ownPeople = { config: config.door, tls, name: identity.name, parts, keys, webFolder: webFolder() }
  const people = opened.adopt(await openPeopleDoor({ ...shared, ...ownPeople }), ({ server }) => closeServer(server))
  const own = opened.move()
  return {
    url: config.door.url.replace(/\/$/, '') || people.url,
    peerUrl: config.peer.url || peer.url,
    open: (started) => void (node = started),
    underWay: forwarding.underWay,
    between: peer.between,
    agentTo: agentOf,
    show(next) {
      shown = next
      peer.show(next)
      // Connections that are in use end by themselves.
      agents.clear()
    },
    close: () => own.disposeAsync(),
  }
}

/** The page: next to the bundle; in a checkout, where the build leaves it. */
function webFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  return join(here, import.meta.url.endsWith('.ts') ? '../../../dist/web' : 'web')
}
