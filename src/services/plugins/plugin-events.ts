/**
 * Events for plugins: what records of the journal mean in the names that plugins know, and one queue for each subscriber. A subscriber gets its
 * events one after another, after their commit. One that is too slow loses what its queue does not hold, as one loses what comes while its host
 * does not run, and then learns how many.
 */
import type { SessionId } from '../../base/index.ts'
import { type CallOutcome, type DescribedPlugin, type Label, labelsIn, type RecordView, resyncEvent } from '../../protocol/index.ts'
import type { PluginWork } from './plugin-callers.ts'
import { type PluginEvent, pluginEvents } from './event-names.ts'
import { maxPluginEvents, pluginEventDelayMs } from './limits.ts'

export interface PluginEvents {
  take(plugins: readonly DescribedPlugin[]): void
  /** Called with each record, after its commit. */
  observe(record: RecordView): void
  stop(): void
}

interface Queued extends PluginEvent {
  readonly session: SessionId | ''
  readonly labels: readonly Label[]
}

interface Subscriber {
  names: ReadonlySet<string>
  readonly queue: Queued[]
  delivering: boolean
  /** Since the last notice. */
  lost: number
}

/** Before an event is delivered again that the limits of a plugin have held back. */
const waitMs = 2_000

/** @param pause rejects when the guest stops: then nothing more is delivered */
export function createPluginEvents(work: PluginWork, pause: (ms: number) => Promise<void>): PluginEvents {
  const subscribers = new Map<string, Subscriber>()
  const deliver = async (plugin: string, subscriber: Subscriber): Promise<void> => {
    subscriber.delivering = true
    await pause(pluginEventDelayMs)
    for (let next = nextOf(subscriber); next !== undefined && subscribers.get(plugin) === subscriber; next = nextOf(subscriber)) {
      const { session, name, payload, labels } = next
      const deliverOnce = (): Promise<CallOutcome | null> =>
        work.call(session, 'plugin.event', { plugin, name, payload, labels: [...labels] }).catch(() => null)
      let code = codeOf(await deliverOnce())
      while (code === 'limit_reached' && subscribers.get(plugin) === subscriber) {
        await pause(waitMs)
        code = codeOf(await deliverOnce())
      }
      if (code !== 'sandbox_failed') continue
      // There is no host to tell it now: the next event brings the notice.
      subscriber.lost += subscriber.queue.length + (name === resyncEvent ? Number(payload['lost']) : 1)
      subscriber.queue.length = 0
      break
    }
    subscriber.delivering = false
  }
  return {
    take(plugins) {
      // Whose events it learns of is decided with each: that depends on the agent of the session.
      const now = plugins.filter((each) => each.exports.events.length > 0)
      for (const name of Array.from(subscribers.keys())) if (!now.some(({ plugin }) => plugin.name === name)) subscribers.delete(name)
      for (const { plugin, exports } of now) {
        const held = subscribers.get(plugin.name)
        if (held !== undefined) held.names = new Set(exports.events)
        else subscribers.set(plugin.name, newSubscriber(exports.events))
      }
    },
    observe(record) {
      if (subscribers.size === 0) return
      for (const event of pluginEvents(record))
        for (const [plugin, subscriber] of subscribers) {
          // Its own events reach a plugin inside of its process.
          if (record.actor === `plugin:${plugin}` || !wants(subscriber, event.name)) continue
          enqueue(subscriber, { ...event, session: record.session, labels: labelsIn(record.body) })
          if (!subscriber.delivering) void deliver(plugin, subscriber).catch(() => {})
        }
    },
    stop: () => subscribers.clear(),
  }
}

const newSubscriber = (names: readonly string[]): Subscriber => ({ names: new Set(names), queue: [], delivering: false, lost: 0 })

/** @returns empty: it was delivered */
const codeOf = (outcome: CallOutcome | null): string => (outcome === null || outcome.status === 'ok' ? '' : outcome.failure.code)

const wants = ({ names }: Subscriber, name: string): boolean => names.has('*') || names.has(name)

function enqueue(subscriber: Subscriber, event: Queued): void {
  if (subscriber.queue.length < maxPluginEvents && subscriber.lost === 0) subscriber.queue.push(event)
  else subscriber.lost++
}

/** @returns the oldest event; behind the last one that the queue held, the notice of what was lost */
function nextOf(subscriber: Subscriber): Queued | undefined {
  const next = subscriber.queue.shift()
  if (next !== undefined || subscriber.lost === 0) return next
  const { lost } = subscriber
  subscriber.lost = 0
  return { name: resyncEvent, payload: { lost }, session: '', labels: [] }
}
