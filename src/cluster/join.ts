/** This machine as a node, from its configuration to the end of the program that runs it. */
import { X509Certificate } from 'node:crypto'
import { freemem, hostname } from 'node:os'
import { join } from 'node:path'
import { errorMessage, OxbowError, ownValue, systemClock, watchIdleMemory } from '../base/index.ts'
import type { ClusterConfig } from '../config/index.ts'
import { type BegunGuest, type GuestSetup, keyPlaceOf, loadRest } from '../runner/index.ts'
import { loadAlarms } from '../store/index.ts'
import type { Doors } from './doors/doors.ts'
import { type HandsMachine, type NodeHands, openNodeHands } from './hands/node-hands.ts'
import type { Resting } from './idle-guest.ts'
import { nearRunMs } from './limits.ts'
import { keepNode } from './keep-node.ts'
import { type ClusterLink, initCluster, openClusterLink } from './nats-link.ts'
import type { NodeGuest } from './keep-user.ts'
import { type ClusterNode, startNode } from './node.ts'
import type { NodeView } from './notes.ts'
import { createStarter } from './start-guest.ts'
import { issuedAtOf } from './trust/certificates.ts'
import { joinByToken } from './trust/enrolment.ts'
import { type NodeIdentity, readAuthority, readIdentity } from './trust/node-identity.ts'
import { askClock } from './trust/node-requests.ts'
import { keepRenewed } from './trust/renewal.ts'
import { openRevocations, type Revocations } from './trust/revocations.ts'
import { openUserKeys } from './user-keys.ts'

export interface JoinOptions {
  readonly config: ClusterConfig
  /** In which commands run on this machine, at least. */
  readonly tier: NodeView['tier']
  /** Of the home: what it knows of its cluster. */
  readonly folder: string
  /** Of a machine that joins for the first time; empty: it has joined. */
  readonly token: string
  /** Address of the store in Postgres. */
  readonly storeUrl: string
  readonly version: string
  /** How a user's guest is started. @throws OxbowError for files that cannot be used */
  readonly setup: (user: string) => GuestSetup
  /** Begins a guest that waits for its user; null: none can be ready ahead. */
  readonly begin: () => BegunGuest | null
  /** Where this machine has hands of agents on other nodes. */
  readonly machine: HandsMachine
  readonly say: (text: string) => void
}

interface JoinedNode {
  readonly name: string
  /** Where people reach it. */
  readonly url: string
  /** Gives what to say when the node is removed from the cluster while it runs: then it must end. */
  readonly removed: Promise<OxbowError>
  close(): Promise<void>
}

/** @returns the name of this machine's node @throws OxbowError `bad_config` where it has none */
export function nodeName({ node }: Pick<ClusterConfig, 'node'>): string {
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

/** @throws OxbowError for a machine that has not joined, or under another name */
async function identify({ config, folder, token }: JoinOptions): Promise<NodeIdentity> {
  const name = nodeName(config)
  if (token !== '') return joinByToken(folder, name, token)
  const identity = readIdentity(folder)
  if (identity === null)
    throw new OxbowError('bad_config', 'This machine has not joined a cluster yet.', {
      hint: 'Make one here: oxbow cluster init. Or print a token where it was made (oxbow cluster invite), and join: oxbow cluster join TOKEN',
    })
  if (identity.name === name) return identity
  throw new OxbowError('bad_config', `This machine has joined as ${identity.name}, and cluster.node is ${name} now.`, {
    hint: `Set cluster.node = "${identity.name}", or move ${folder} away and join again.`,
  })
}

/** What it has opened is closed where it fails. @throws OxbowError where the cluster cannot be reached, or another node has this name */
export async function joinCluster(options: JoinOptions): Promise<JoinedNode> {
  const { config, folder, storeUrl, say } = options
  const identity = await identify(options)
  const { name } = identity
  const revocations = openRevocations(folder)
  const removed = Promise.withResolvers<OxbowError>()
  const onRevoked = (): void => {
    if (isRemoved(folder, revocations)) removed.resolve(removedError(folder))
  }
  if (isRemoved(folder, revocations)) throw removedError(folder)
  const { openDoors } = await import('./doors/doors.ts')
  // Closed from the last to the first.
  await using opened = new AsyncDisposableStack()
  const doors = opened.adopt(await openDoors({ config, identity, folder, revocations, storeUrl }), (made) => made.close())
  let held = identity
  const link = opened.adopt(await openClusterLink(config, () => held), (made) => made.close())
  await refuseNamesake(link, identity, doors.peerUrl)
  const runs = opened.adopt(await openRuns(options, identity, { doors, revocations, onRevoked }), (made) => made.close())
  const reopen = async (): Promise<ClusterLink> => {
    await initCluster(config, held)
    return openClusterLink(config, () => held)
  }
  // What NATS tells at the start about ten thousand users who sleep is garbage a moment later.
  opened.adopt(watchIdleMemory(), (watch) => watch.close())
  const kept = opened.adopt(await keepNode({ start: runs.start, reopen, onNode: doors.open, say }, link), (made) => made.close())
  // Hands that this node has for others end before its own guests move.
  opened.defer(runs.leave)
  const use = (renewed: NodeIdentity): void => {
    held = renewed
    doors.show(renewed)
  }
  opened.defer(keepRenewed({ folder, identity, node: kept.node, say, use, clock: systemClock }))
  const parts = opened.move()
  return { name, url: doors.url, removed: removed.promise, close: () => parts.disposeAsync() }
}

/** @throws OxbowError `bad_config` where another node that is up has this name */
async function refuseNamesake(link: ClusterLink, identity: NodeIdentity, url: string): Promise<void> {
  const other = (await link.all()).nodes.find((node) => node.name === identity.name && node.url !== url)
  // One that was killed a moment ago had another port, where the system chooses it.
  if (other === undefined || (await askClock(identity, other, systemClock.now)) === null) return
  throw new OxbowError('bad_config', `Another node of this cluster has the name ${identity.name} (${other.url}).`, {
    hint: 'Give each node a name of its own: cluster.node.',
  })
}

/** As the others see it: by the certificate that this machine has now. */
function isRemoved(folder: string, revocations: Revocations): boolean {
  const own = readIdentity(folder)
  return own !== null && revocations.isRevoked(own.name, issuedAtOf(new X509Certificate(own.cert)))
}

/** A node that went on would take guests that no other node leads to. */
function removedError(folder: string): OxbowError {
  const again =
    readAuthority(folder) === null
      ? `move ${folder} away, print a token where the cluster was made (oxbow cluster invite), and join: oxbow cluster join TOKEN`
      : `move ${join(folder, 'node.crt')} away, and run oxbow cluster init`
  return new OxbowError('bad_config', 'This machine was removed from its cluster: no other node trusts its certificate.', {
    hint: `To let it in again, ${again}`,
  })
}

interface NodeRuns {
  /** The node over a connection to NATS; the one before, if any, has ended. */
  start(link: ClusterLink, onForgotten: () => void): Promise<ClusterNode>
  /** Ends what this machine has for guests of others. */
  leave(): Promise<void>
  /** Ends that, too, where it has not ended. */
  close(): Promise<void>
}

/** What a node starts: guests of its own, and hands of guests on others. */
async function openRuns(
  { config, tier, folder, storeUrl, version, setup, begin, machine, say }: JoinOptions,
  { name }: NodeIdentity,
  { doors, revocations, onRevoked }: { readonly doors: Doors; readonly revocations: Revocations; readonly onRevoked: () => void },
): Promise<NodeRuns> {
  const { url: door, peerUrl: url } = doors
  const [{ openAlarms }, rest] = await Promise.all([loadAlarms(), loadRest()])
  const alarms = openAlarms(storeUrl)
  const keys = await openUserKeys({ folder, storeUrl, now: systemClock.now })
  const withKeys = (user: string): GuestSetup => {
    const own = setup(user)
    return keys === null ? own : { ...own, makeKeys: () => keys.make(keyPlaceOf(own)) }
  }
  const starter = createStarter({ setup: withKeys, begin: config.spare_guest ? begin : () => null })
  const wire = (to: string): object => ({ agent: doors.agentTo(to) })
  let hands: NodeHands | null = null
  return {
    async start(link, onForgotten) {
      await shareRevocations(link, revocations, onRevoked)
      await hands?.leave()
      await hands?.close()
      const opened = await openNodeHands({ queue: await link.hands(), clock: systemClock, node: name, url, config, machine, wire, say })
      hands = opened
      doors.between(opened.takes)
      return startNode({
        link,
        clock: systemClock,
        name,
        url,
        door,
        version,
        labels: config.labels,
        tier,
        needsOf: (user) => ownValue(config.users, user) ?? { labels: [], tier: 'process' },
        capacity: config.capacity,
        freeMb: () => freemem() / 2 ** 20,
        hands: () => ({ used: opened.used(), capacity: config.hands.capacity }),
        startGuest: async (user, lease, turn) => {
          const own = setup(user)
          const brought = keys?.bring(keyPlaceOf(own)).catch((error: unknown) => say(`${user}: ${errorMessage(error)}`))
          const [socket] = await Promise.all([opened.listen(user, own.workspace.ipc), brought])
          const given = { ...lease, door: `${door}/users/${encodeURIComponent(user)}`, hands: socket.path }
          return untilGone(starter.start(user, given, turn), socket.end)
        },
        alarms,
        restOf: (guest) => restingOf(guest, config.idle_min * 60_000, rest),
        underWay: doors.underWay,
        onForgotten,
        say,
      })
    },
    leave: async () => hands?.leave(),
    async close() {
      await hands?.leave()
      await hands?.close()
      starter.close()
      await Promise.all([alarms.close(), keys?.close()])
    },
  }
}

/** @param end is called when the guest has ended, or has not started */
async function untilGone<Guest extends Pick<NodeGuest, 'gone'>>(starting: Promise<Guest>, end: () => void): Promise<Guest> {
  try {
    const guest = await starting
    void guest.gone.then(end)
    return guest
  } catch (error) {
    end()
    throw error
  }
}

/** What NATS has counts here, and what this node knows is there again after a loss of NATS. */
async function shareRevocations(link: ClusterLink, revocations: Revocations, onRevoked: () => void): Promise<void> {
  const told = new Map<string, number>()
  await link.followRevoked((name, at) => {
    told.set(name, at)
    revocations.add(name, at)
    onRevoked()
  })
  for (const [name, at] of revocations.list()) if ((told.get(name) ?? -Infinity) < at) await link.revoke(name, at)
}

/** @param idleMs 0: guests never sleep */
function restingOf(guest: NodeGuest, idleMs: number, { restOf, untilIdle }: Awaited<ReturnType<typeof loadRest>>): Resting | null {
  if (idleMs === 0) return null
  const near = Math.min(nearRunMs, idleMs)
  return { untilIdle: (signal) => untilIdle(guest, idleMs, signal, near), now: () => restOf(guest, near) }
}
