/** Work queues in JetStream: whatever is offered is taken by one node, and offered again where that node does not say in time that it is done. */
import { AckPolicy, DiscardPolicy, type JsMsg, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

/** What can be changed of a stream that is there. */
interface StreamSettings {
  readonly subjects: string[]
  readonly max_msgs_per_subject: number
  readonly max_age?: number
  readonly num_replicas: number
}

/** JetStream counts in nanoseconds. */
export const nanos = (ms: number): number => ms * 1_000_000

/** Makes the stream of work queues, or gives the one that is there these settings. Loses nothing. */
export async function makeWorkStream(connection: NatsConnection, name: string, settings: StreamSettings): Promise<void> {
  const manager = await jetstreamManager(connection)
  const known = await manager.streams.info(name).catch(() => null)
  if (known !== null) await manager.streams.update(name, settings)
  else
    await manager.streams.add({
      ...settings,
      name,
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.Old,
      storage: StorageType.File,
    })
}

/** @param ackMs after so long without a word what was taken is offered again */
export async function addWorkQueue(
  connection: NatsConnection,
  stream: string,
  { queue, subject, ackMs }: { readonly queue: string; readonly subject: string; readonly ackMs: number },
): Promise<void> {
  await (
    await jetstreamManager(connection)
  ).consumers.add(stream, {
    durable_name: queue,
    filter_subject: subject,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackMs),
    max_deliver: -1,
  })
}

/** Resolves once it listens. What `take` rejects is offered again. @param atOnce what is taken before something is done */
export async function takeWork(
  connection: NatsConnection,
  { stream, queue, atOnce }: { readonly stream: string; readonly queue: string; readonly atOnce: number },
  signal: AbortSignal,
  take: (message: JsMsg) => Promise<void>,
): Promise<void> {
  const consumer = await jetstream(connection).consumers.get(stream, queue)
  const messages = await consumer.consume({ max_messages: atOnce })
  signal.addEventListener('abort', () => void messages.close(), { once: true })
  void (async () => {
    for await (const message of messages) {
      if (signal.aborted) message.nak()
      else void take(message).catch(() => {})
    }
  })()
}
