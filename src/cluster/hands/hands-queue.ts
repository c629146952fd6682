/**
 * The requests for hands in NATS: a work queue for each set of labels, and a key of each place that a node has given. A request is in
 * progress while its hands live, and acknowledged when they are needed no more: where a node is lost, the next one gets it.
 */
import { type JsMsg, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import type { LeasePort } from '../lease.ts'
import { leasePort } from '../lease-keys.ts'
import { handsAckMs, handsAtOnce, handsKeysMs, leaseMs, maxHandsQueues } from '../limits.ts'
import { parseNote } from '../notes.ts'
import { addWorkQueue, makeWorkStream, takeWork } from '../work-queue.ts'

const text = z.string().max(2_000)

const handsRequest = z.object({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  user: text,
  branch: text,
  /** Node of the guest. */
  home: text,
  /** Proves to the node that takes it that whoever connects has asked for it. */
  token: z.string().regex(/^[0-9a-f]{64}$/),
})
type HandsRequest = Readonly<z.infer<typeof handsRequest>>

/** A place that a node has given. `since`: when, by its clock, in unix milliseconds. */
const handsNote = z.object({ user: text, branch: text, home: text, node: text, url: text, since: z.int() })
export type HandsNote = Readonly<z.infer<typeof handsNote>>

export interface HandsOffer {
  readonly request: HandsRequest
  /** It is worked on: nobody else gets it for a while. */
  working(): void
  /** It is needed no more. */
  done(): void
  later(afterMs: number): void
}

export interface HandsQueue {
  readonly leases: LeasePort
  /** Safe to repeat. */
  ask(request: HandsRequest, labels: readonly string[]): Promise<void>
  drop(id: string, labels: readonly string[]): Promise<void>
  /** Waits for the place. @returns null where `signal` aborts */
  placeOf(id: string, signal: AbortSignal): Promise<HandsNote | null>
  /** The places of the cluster. */
  all(): Promise<readonly HandsNote[]>
  /** Offers requests for these labels or fewer until `signal` aborts. */
  take(labels: readonly string[], signal: AbortSignal, take: (offer: HandsOffer) => Promise<void>): Promise<void>
}

const names = { places: 'oxbow_hands', requests: 'OXBOW_HANDS', told: 'oxbow.handsqueues' } as const

/** Makes what hands on other nodes need in NATS. Loses nothing. */
export async function initHands(connection: NatsConnection, replicas: number): Promise<void> {
  await new Kvm(connection).create(names.places, { history: 1, replicas, storage: StorageType.File, ttl: leaseMs })
  await makeWorkStream(connection, names.requests, { subjects: ['oxbow.hands.*.*'], max_msgs_per_subject: 1, num_replicas: replicas })
}

/** The labels in the name of a queue. */
const queueOf = (labels: readonly string[]): string =>
  labels.length === 0 ? 'any' : `l_${Buffer.from([...new Set(labels)].toSorted().join(' ')).toString('base64url')}`
const labelsOf = (queue: string): readonly string[] =>
  queue.startsWith('l_') ? Buffer.from(queue.slice(2), 'base64url').toString().split(' ') : []

const addQueue = (connection: NatsConnection, queue: string): Promise<void> =>
  addWorkQueue(connection, names.requests, { queue, subject: `oxbow.hands.${queue}.*`, ackMs: handsAckMs })

/** @throws Error before `oxbow cluster init` */
export async function openHandsQueue(connection: NatsConnection): Promise<HandsQueue> {
  const places = await new Kvm(connection).open(names.places)
  const made = new Set<string>()
  return {
    leases: leasePort(places),
    async ask(request, labels) {
      const queue = queueOf(labels)
      if (!made.has(queue)) {
        await assertQueues(connection, queue)
        await addQueue(connection, queue)
        made.add(queue)
        connection.publish(names.told, queue)
      }
      await jetstream(connection).publish(`oxbow.hands.${queue}.${request.id}`, JSON.stringify(request))
    },
    async drop(id, labels) {
      const manager = await jetstreamManager(connection)
      await manager.streams.purge(names.requests, { filter: `oxbow.hands.${queueOf(labels)}.${id}` })
    },
    placeOf: (id, signal) => placeOf(places, id, signal),
    async all() {
      const { state } = await (
        await jetstreamManager(connection)
      ).streams.info(`KV_${names.places}`, { subjects_filter: `$KV.${names.places}.>` })
      const keys = Object.keys(state.subjects ?? {}).map((subject) => subject.slice(`$KV.${names.places}.`.length))
      const found = await Promise.all(keys.map(async (key) => noteIn(await places.get(key))))
      return found.filter((note) => note !== null)
    },
    async take(labels, signal, take) {
      const reading = new Set<string>()
      const read = async (queue: string): Promise<void> => {
        if (signal.aborted || reading.has(queue) || !labelsOf(queue).every((label) => labels.includes(label))) return
        reading.add(queue)
        await takeFrom(connection, queue, signal, take).catch(() => reading.delete(queue))
      }
      await addQueue(connection, 'any')
      const readAll = async (): Promise<void> => {
        const manager = await jetstreamManager(connection)
        for await (const { name } of manager.consumers.list(names.requests)) await read(name)
      }
      await readAll()
      const told = connection.subscribe(names.told, { callback: (_error, message) => void read(message.string()) })
      // What was told while the connection was down.
      const timer = setInterval(() => void readAll().catch(() => {}), handsKeysMs)
      signal.addEventListener(
        'abort',
        () => {
          clearInterval(timer)
          told.unsubscribe()
        },
        { once: true },
      )
    },
  }
}

/** Each set of labels has a queue of its own, which stays: who names them may be a model. @throws OxbowError `limit_reached` */
async function assertQueues(connection: NatsConnection, queue: string): Promise<void> {
  const { consumers, streams } = await jetstreamManager(connection)
  const { state } = await streams.info(names.requests)
  if (state.consumer_count < maxHandsQueues || (await consumers.info(names.requests, queue).catch(() => null)) !== null) return
  throw new OxbowError('limit_reached', `Hands were asked for with ${maxHandsQueues} sets of labels already.`, {
    hint: 'Ask for labels that were asked for before, or for none: `oxbow cluster nodes` shows the ones that there are.',
  })
}

function noteIn(entry: Awaited<ReturnType<KV['get']>>): HandsNote | null {
  return entry === null || entry.operation !== 'PUT' ? null : parseNote(handsNote, entry.string())
}

async function placeOf(places: KV, id: string, signal: AbortSignal): Promise<HandsNote | null> {
  if (signal.aborted) return null
  const entries = await places.watch({ key: id })
  const stop = (): void => entries.stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const entry of entries) {
      const note = noteIn(entry)
      if (note !== null) return note
    }
    return null
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

async function takeFrom(
  connection: NatsConnection,
  queue: string,
  signal: AbortSignal,
  take: (offer: HandsOffer) => Promise<void>,
): Promise<void> {
  await takeWork(connection, { stream: names.requests, queue, atOnce: handsAtOnce }, signal, async (message) => {
    const offer = offerOf(message)
    if (offer === null) message.term()
    else await take(offer)
  })
}

function offerOf(message: JsMsg): HandsOffer | null {
  const request = parseNote(handsRequest, message.string())
  if (request === null) return null
  return {
    request,
    working: () => message.working(),
    done: () => message.ack(),
    later: (afterMs) => message.nak(afterMs),
  }
}
