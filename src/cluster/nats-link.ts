/**
 * The cluster in NATS: three buckets of keys (leases and nodes, which end by age; places and wishes, which stay) and one work queue of wakes.
 * Truth is in Postgres: all of this may be lost and made anew (`oxbow cluster init`), and no message is. Nothing here needs a server newer than
 * 2.9: leases end by the age of their bucket, and epochs are revisions.
 */
import { readFileSync } from 'node:fs'
import { type JsMsg, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, credsAuthenticator, type NatsConnection, nkeyAuthenticator } from '@nats-io/transport-node'
import type { z } from 'zod'
import { errorMessage, OxbowError } from '../base/index.ts'
import type { ClusterConfig } from '../config/index.ts'
import type { KeyEvent } from './cluster-view.ts'
import { type HandsQueue, initHands, openHandsQueue } from './hands/hands-queue.ts'
import type { LeasePort } from './lease.ts'
import { codeOf, keyOf, leasePort, noStream, userOf } from './lease-keys.ts'
import type { NodeIdentity } from './trust/node-identity.ts'
import { addWorkQueue, makeWorkStream, nanos, takeWork } from './work-queue.ts'
import { leaseMs, wakeAckMs, wakeMaxAgeMs, wakesAtOnce } from './limits.ts'
import {
  leaseNote,
  type LeaseNote,
  type NodeView,
  nodeView,
  parseNote,
  type PlaceChange,
  type PlaceNote,
  placeNote,
  type RevokedNote,
  revokedNote,
  type WishNote,
  wishNote,
} from './notes.ts'

/** A user somebody wants to reach, and who is to be started for that. */
export interface Wake {
  readonly user: string
  /** The queue: of a node that was chosen already, or of any. */
  readonly isChosen: boolean
  /** Ends the offer: the lease is held. Resolves when the server knows. */
  taken(): Promise<void>
  /** Offers it again, to any node, after a while. */
  later(afterMs: number): void
}

export interface ClusterLink {
  /** When the bucket of leases was made, in unix milliseconds: epochs of a later one count as newer. */
  readonly term: number
  readonly leases: LeasePort
  /** @returns false when the leases are gone, or were made anew: what this node holds means nothing any more. @throws where it cannot be asked */
  isCurrent(): Promise<boolean>
  /** Requests for hands on other nodes. @throws OxbowError `not_found` before `oxbow cluster init` */
  hands(): Promise<HandsQueue>
  lease(user: string): Promise<LeaseNote | null>
  place(user: string): Promise<PlaceNote | null>
  all(): Promise<{ readonly nodes: readonly NodeView[]; readonly leases: ReadonlyMap<string, LeaseNote> }>
  writeNode(node: NodeView): Promise<void>
  removeNode(name: string): Promise<void>
  writePlace(user: string, place: PlaceChange): Promise<void>
  /** Null takes it back. @param of `node.NAME` or `user.USER` */
  writeWish(of: WishKey, wish: Partial<WishNote> | null): Promise<void>
  /** @param node that is to take it; absent: any */
  wake(user: string, node?: string): Promise<void>
  watch(watcher: ClusterWatcher): Promise<void>
  /** Offers wakes until `signal` aborts. @param node whose own queue is read, too */
  takeWakes(node: string, signal: AbortSignal, take: (wake: Wake) => Promise<void>): Promise<void>
  /** The node’s certificates from before `at` hold no longer, at any node. */
  revoke(node: string, at: number): Promise<void>
  /** Resolves once it listens; what is there comes first. */
  followRevoked(take: (node: string, at: number) => void): Promise<void>
  /** What the connection says of itself, in words. */
  onState(listener: (text: string) => void): void
  close(): Promise<void>
}

export type WishKey = { readonly node: string } | { readonly user: string }

interface ClusterWatcher {
  lease(event: KeyEvent<LeaseNote>): void
  node(event: KeyEvent<NodeView>): void
  place(event: KeyEvent<PlaceNote>): void
  wish(of: WishKey, wish: WishNote | null): void
}

const names = {
  leases: 'oxbow_leases',
  nodes: 'oxbow_nodes',
  places: 'oxbow_places',
  wishes: 'oxbow_wishes',
  revoked: 'oxbow_revoked',
  wakes: 'OXBOW_WAKES',
} as const
const anyQueue = 'any'
const subjectOf = (queue: string, user: string): string => `oxbow.wake.${queue}.${keyOf(user)}`
const queueOf = (node: string): string => `node_${node}`

interface Buckets {
  readonly leases: KV
  readonly nodes: KV
  readonly places: KV
  readonly wishes: KV
  readonly revoked: KV
}

/** Makes what a cluster has in NATS, and changes what is there to these settings. Loses nothing. @throws OxbowError */
export async function initCluster(config: ClusterConfig, identity: NodeIdentity | null = null): Promise<void> {
  const connection = await connectTo(config, () => identity)
  try {
    const kvm = new Kvm(connection)
    const { replicas } = config
    const make = (name: string, ttl?: number): Promise<KV> =>
      kvm.create(name, { history: 1, replicas, storage: StorageType.File, ...(ttl !== undefined && { ttl }) })
    await make(names.leases, leaseMs)
    await make(names.nodes, leaseMs)
    await make(names.places)
    await make(names.wishes)
    await make(names.revoked)
    await makeWorkStream(connection, names.wakes, {
      subjects: ['oxbow.wake.*.*'],
      // One offer of a user in each queue: a second one is the same.
      max_msgs_per_subject: 1,
      max_age: nanos(wakeMaxAgeMs),
      num_replicas: replicas,
    })
    await addQueue(connection, anyQueue)
    await initHands(connection, replicas)
  } catch (error) {
    throw natsFault(error)
  } finally {
    await connection.close()
  }
}

const addQueue = (connection: NatsConnection, queue: string): Promise<void> =>
  addWorkQueue(connection, names.wakes, { queue, subject: `oxbow.wake.${queue}.*`, ackMs: wakeAckMs })

/** @param identity as it is whenever a server is connected to: certificates are renewed */
async function connectTo(
  { nats, credentials, nats_ca: caFile }: ClusterConfig,
  identity: () => NodeIdentity | null,
): Promise<NatsConnection> {
  if (nats.length === 0)
    throw new OxbowError('bad_config', 'This machine belongs to no cluster: cluster.nats is empty.', {
      hint: 'Name the NATS servers of the cluster: oxbow config set cluster.nats \'["nats://host:4222"]\'',
    })
  try {
    return await connect({
      servers: [...nats],
      name: 'oxbow',
      timeout: 5_000,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 500,
      pingInterval: 5_000,
      maxPingOut: 2,
      ...authenticationOf(credentials, identity()),
      ...(nats.some((url) => url.startsWith('tls:')) && { tls: tlsOf(caFile, identity) }),
    })
  } catch (error) {
    throw natsFault(error, nats)
  }
}

/** A file that a person has set goes before the NKey that this machine made. Servers that ask for neither look at none. */
function authenticationOf(credentials: string, identity: NodeIdentity | null) {
  const seed = credentials === '' ? identity?.seed : readConfigured(credentials, 'credentials', 'a file with credentials or an NKey seed')
  if (seed === undefined) return {}
  const bytes = new TextEncoder().encode(seed.trim())
  return { authenticator: seed.includes('BEGIN NATS USER JWT') ? credsAuthenticator(bytes) : nkeyAuthenticator(bytes) }
}

/**
 * The node shows its certificate, and takes servers that the cluster’s own authority vouches for, or the one that is configured. The library reads
 * these at each connection: after a loss of the server, the certificate of the start may have ended.
 */
function tlsOf(caFile: string, identity: () => NodeIdentity | null) {
  const known = identity()
  const ca = caFile === '' ? known?.ca : readConfigured(caFile, 'nats_ca', 'the certificate of an authority, in PEM')
  const trusted = { ...(ca !== undefined && { ca }) }
  if (known === null) return trusted
  const shown = (): NodeIdentity => identity() ?? known
  return {
    ...trusted,
    get cert() {
      return shown().cert
    },
    get key() {
      return shown().key
    },
  }
}

/** @throws OxbowError `bad_config` for a file that cannot be read */
function readConfigured(file: string, key: string, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new OxbowError('bad_config', `The file of cluster.${key} cannot be read: ${file} (${errorMessage(error)}).`, {
      hint: `Set cluster.${key} to ${what}, which only its owner can read.`,
      cause: error,
    })
  }
}

function natsFault(error: unknown, servers: readonly string[] = []): OxbowError {
  if (error instanceof OxbowError) return error
  const where = servers.length === 0 ? '' : ` at ${servers.map((url) => URL.parse(url)?.host ?? '?').join(', ')}`
  return new OxbowError('guest_unreachable', `The NATS servers of the cluster${where} cannot be used: ${errorMessage(error)}.`, {
    hint: 'Check that nats-server runs there with JetStream (nats-server -js), and `cluster.credentials`; `oxbow cluster doctor` looks further.',
    cause: error,
  })
}

const natsErrors = /^(?:TimeoutError|RequestError|NoRespondersError|ClosedConnectionError|DrainingConnectionError|JetStream\w+)$/

/** What a request to NATS failed with, for people: its servers elect a leader, or were just lost. @returns any other error as it is */
export function linkFault(error: unknown): unknown {
  if (!(error instanceof Error) || !natsErrors.test(error.name)) return error
  return new OxbowError('guest_unreachable', `The NATS servers of the cluster do not answer now: ${error.message}.`, {
    hint: 'One of them may just have been lost, or started: try again in a few seconds. If it stays so, look at each: http://127.0.0.1:8222/healthz',
    cause: error,
  })
}

/**
 * @param identity whose certificate is shown; for a link that lasts, a function that returns the newest one
 * @throws OxbowError `guest_unreachable` without a server, `not_found` before `oxbow cluster init`
 */
export async function openClusterLink(
  config: ClusterConfig,
  identity: NodeIdentity | (() => NodeIdentity) | null = null,
): Promise<ClusterLink> {
  const connection = await connectTo(config, typeof identity === 'function' ? identity : () => identity)
  try {
    const kvm = new Kvm(connection)
    const [leases, nodes, places, wishes, revoked] = await Promise.all(
      [names.leases, names.nodes, names.places, names.wishes, names.revoked].map((name) => kvm.open(name)),
    )
    const buckets: Buckets = { leases: leases!, nodes: nodes!, places: places!, wishes: wishes!, revoked: revoked! }
    const status = await buckets.leases.status().catch((error: unknown) => {
      throw new OxbowError('not_found', `The NATS servers have no cluster yet (${errorMessage(error)}).`, {
        hint: 'Make it: oxbow cluster init',
      })
    })
    if (status.ttl !== leaseMs)
      throw new OxbowError('bad_config', `Leases of this cluster last ${status.ttl} ms, and this version needs ${leaseMs}.`, {
        hint: 'Run the same version on every node.',
      })
    return linkOver(connection, buckets, Date.parse(status.streamInfo.created))
  } catch (error) {
    await connection.close()
    throw natsFault(error)
  }
}

/** @returns null for what is not there, or cannot be read */
async function read<Schema extends z.ZodType>(bucket: KV, key: string, schema: Schema): Promise<z.infer<Schema> | null> {
  const entry = await bucket.get(key)
  return entry === null || entry.operation !== 'PUT' ? null : parseNote(schema, entry.string())
}

/** Asks for each key: the library's own list of a bucket waits for ever for an entry that is replaced while it reads. @returns them by key, in order */
async function readAll<Schema extends z.ZodType>(
  connection: NatsConnection,
  bucket: KV,
  name: string,
  schema: Schema,
): Promise<readonly (readonly [string, z.infer<Schema>])[]> {
  const prefix = `$KV.${name}.`
  const { state } = await (await jetstreamManager(connection)).streams.info(`KV_${name}`, { subjects_filter: `${prefix}>` })
  const found: (readonly [string, z.infer<Schema>])[] = []
  const take = async (key: string): Promise<void> => {
    const note = await read(bucket, key, schema)
    if (note !== null) found.push([key, note])
  }
  await Promise.all(Object.keys(state.subjects ?? {}).map((subject) => take(subject.slice(prefix.length))))
  return found.sort(([one], [other]) => (one < other ? -1 : 1))
}

function linkOver(connection: NatsConnection, buckets: Buckets, term: number): ClusterLink {
  const { leases, nodes, places, wishes, revoked } = buckets
  return {
    term,
    leases: leasePort(leases),
    async isCurrent() {
      try {
        return Date.parse((await leases.status()).streamInfo.created) === term
      } catch (error) {
        if (codeOf(error) === noStream) return false
        throw error
      }
    },
    hands: () => openHandsQueue(connection),
    lease: (user) => read(leases, keyOf(user), leaseNote),
    place: (user) => read(places, keyOf(user), placeNote),
    async all() {
      const [allNodes, allLeases] = await Promise.all([
        readAll(connection, nodes, names.nodes, nodeView),
        readAll(connection, leases, names.leases, leaseNote),
      ])
      return { nodes: allNodes.map(([, node]) => node), leases: new Map(allLeases.map(([key, lease]) => [userOf(key), lease])) }
    },
    writeNode: async (node) => void (await nodes.put(node.name, JSON.stringify(node))),
    async removeNode(name) {
      await nodes.delete(name)
      await wishes.delete(`node.${name}`)
      const manager = await jetstreamManager(connection)
      await manager.consumers.delete(names.wakes, queueOf(name)).catch(() => false)
    },
    writePlace: async (user, place) => void (await places.put(keyOf(user), JSON.stringify(place))),
    async writeWish(of, wish) {
      const key = 'node' in of ? `node.${of.node}` : `user.${keyOf(of.user)}`
      if (wish === null) await wishes.delete(key)
      else await wishes.put(key, JSON.stringify(wish))
    },
    revoke: async (node, at) => void (await revoked.put(node, JSON.stringify({ at } satisfies RevokedNote))),
    followRevoked: (take) => follow(revoked, revokedNote, ({ key, note }) => note !== null && take(key, note.at)),
    wake: async (user, node) =>
      void (await jetstream(connection).publish(subjectOf(node === undefined ? anyQueue : queueOf(node), user), '')),
    async watch(watcher) {
      await Promise.all([
        follow(leases, leaseNote, ({ key, note }) => watcher.lease({ key: userOf(key), note })),
        follow(nodes, nodeView, watcher.node),
        follow(places, placeNote, ({ key, note }) => watcher.place({ key: userOf(key), note })),
        follow(wishes, wishNote, ({ key, note }) => {
          const [, kind, name = ''] = /^(node|user)\.(.*)$/.exec(key) ?? []
          if (kind === 'node') watcher.wish({ node: name }, note)
          else if (kind === 'user') watcher.wish({ user: userOf(name) }, note)
        }),
      ])
    },
    async takeWakes(node, signal, take) {
      try {
        await addQueue(connection, queueOf(node))
        await Promise.all([anyQueue, queueOf(node)].map((queue) => takeFrom(connection, queue, signal, take)))
      } catch (error) {
        throw natsFault(error)
      }
    },
    onState(listener) {
      void (async () => {
        for await (const status of connection.status())
          if (['disconnect', 'reconnect', 'error', 'ldm'].includes(status.type)) listener(`NATS: ${status.type}`)
      })()
    },
    close: () => connection.close(),
  }
}

/** Resolves once it listens; what is there comes first. Ends with the connection. */
async function follow<Schema extends z.ZodType>(
  bucket: KV,
  schema: Schema,
  take: (event: KeyEvent<z.infer<Schema>>) => unknown,
): Promise<void> {
  const entries = await bucket.watch()
  void (async () => {
    for await (const { key, operation, string } of withText(entries))
      take({ key, note: operation === 'PUT' ? parseNote(schema, string) : null })
  })()
}

async function* withText(entries: Awaited<ReturnType<KV['watch']>>): AsyncGenerator<{ key: string; operation: string; string: string }> {
  for await (const entry of entries)
    yield { key: entry.key, operation: entry.operation, string: entry.operation === 'PUT' ? entry.string() : '' }
}

const takeFrom = (connection: NatsConnection, queue: string, signal: AbortSignal, take: (wake: Wake) => Promise<void>): Promise<void> =>
  takeWork(connection, { stream: names.wakes, queue, atOnce: wakesAtOnce }, signal, (message) => take(wakeOf(message, queue)))

function wakeOf(message: JsMsg, queue: string): Wake {
  return {
    user: userOf(message.subject.split('.').at(-1) ?? ''),
    isChosen: queue !== anyQueue,
    taken: async () => void (await message.ackAck()),
    later: (afterMs) => message.nak(afterMs),
  }
}
