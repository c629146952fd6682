/**
 * What others than an owner are shown. An answer of a session that has read private data reaches a group, a member or a guest only after the owner
 * has allowed it: the answer waits as a call, `channel.answer`, which the owner decides in a direct chat, or at a terminal.
 */
import { type CallId, derivedId, isObject, type Json, type JsonObject, type SessionId, textIn } from '../../../base/index.ts'
import { runtimeCaller, userCaller } from '../../../kernel/index.ts'
import { mediaCall, sentMedia } from '../../../protocol/index.ts'
import type { HeldRuns } from '../../../runs/index.ts'
import { byKernel, type ChannelDeps, type Of } from '../channel-deps.ts'
import { answerCall, change, releaseCategory } from '../channel-records.ts'
import type { Delivery } from '../channel-schemas.ts'
import type { Outbox } from '../outbox.ts'
import type { Questions } from '../questions.ts'

/** A document of `system/channel_releases`, by delivery. */
interface ReleaseDoc {
  readonly delivery: string
  readonly decided: 'allowed' | 'denied' | null
}

/** What is known of an answer: `waits` for the owner. */
export type Released = 'allowed' | 'denied' | 'waits'

export interface Releases {
  load(): Promise<void>
  /** Whether what the session says now can be shown to others. */
  mayShow(delivery: Delivery): Promise<boolean>
  /** Asks the owner where that is needed, when the turn has ended, and waits so long for the answer. */
  release(of: Of, delivery: Delivery, ms: number, signal: AbortSignal): Promise<Released>
}

const askTries = 20
const askPauseMs = 250
const topicOf = (delivery: string): string => `channel release ${delivery}`

export function createReleases(deps: ChannelDeps, parts: { readonly outbox: Outbox; readonly questions: Questions }): Releases {
  const { runs, documents, clock, sessions } = deps
  const held: HeldRuns<ReleaseDoc> = runs.hold<ReleaseDoc>({
    name: 'channel releases',
    category: releaseCategory,
    dueAt: ({ decided }) => (decided === null ? 0 : null),
    goOn: async ({ id, signal }) => {
      const decided = await decide(deps, parts, id, signal)
      signal.throwIfAborted()
      await held.update(byKernel(deps, answerCall), id, async (now) =>
        now === null ? [] : [change(releaseCategory, id, { ...now, decided })],
      )
      runs.changed(topicOf(id))
    },
  })
  const isPrivate = async ({ session }: Delivery): Promise<boolean> => (await sessions.loadHeld(session as SessionId)).includes('private')
  return {
    load: held.load,
    mayShow: async (delivery) => !delivery.guarded || !(await isPrivate(delivery)),
    async release(of, delivery, ms, signal) {
      if (!delivery.guarded) return 'allowed'
      const read = async (): Promise<Released | null> =>
        (await documents.get<ReleaseDoc>(releaseCategory, delivery.id))?.value.decided ?? null
      const known = await read()
      if (known !== null) return known
      if (!(await isPrivate(delivery))) return 'allowed'
      await held.begin(of, delivery.id, { delivery: delivery.id, decided: null })
      return (await runs.until(topicOf(delivery.id), read, { signal, until: clock.now() + ms })) ?? 'waits'
    },
  }
}

/** What an answer says, also of how its turn has failed. */
function saidIn(ended: JsonObject): string {
  const { failure } = ended
  const failed = isObject(failure) ? [textIn(failure, 'message'), textIn(failure, 'hint')].join(' ') : ''
  return [textIn(ended, 'reply'), failed].filter((text) => text !== '').join('\n\n')
}

const maxRecords = 10_000

/** Files that come along with an answer. */
async function filesOf({ store }: ChannelDeps, { session, turn, cursor }: Delivery): Promise<readonly string[]> {
  const of = { session: session as SessionId, after: Math.max(0, cursor - 1), phases: ['outcome'] as const }
  const records = await store.records({ ...of, order: 'oldest_first', limit: maxRecords, hydrate: true })
  const own = records.filter((record) => record.turn === turn && record.name === mediaCall)
  const sent = sentMedia(own.map(({ name, phase, body }) => ({ name, phase, body: JSON.parse(body) as Json })))
  return sent.map(({ name, bytes, caption }) => [`${name} (${bytes} bytes)`, caption].filter((text) => text !== '').join(': '))
}

/** The same call after a crash: its id follows from the delivery. */
async function decide(
  deps: ChannelDeps,
  { outbox, questions }: { readonly outbox: Outbox; readonly questions: Questions },
  id: string,
  signal: AbortSignal,
): Promise<'allowed' | 'denied'> {
  const { gate, user, config, runs, sessions } = deps
  const delivery = await outbox.find(id)
  if (delivery === null || delivery.state !== 'open') return 'denied'
  const { session, turn, channel, chat } = delivery
  const ended = await runs.turns.ended(turn as Parameters<typeof runs.turns.ended>[0], signal)
  // With what it has read, the question is the same after a restart, and so its buttons are good.
  await sessions.load(session as SessionId)
  const call = derivedId(answerCall, id) as CallId
  const caller = runtimeCaller(userCaller(user, session as SessionId, turn as never), `agent:${config.agent.name}`)
  // All that is sent when the owner allows it.
  const input = { channel, chat, text: saidIn(ended), files: await filesOf(deps, delivery) }
  const answered = gate.call(caller, answerCall, input, { id: call, signal })
  // It waits in a moment; at a terminal it is decided without this.
  const show = async (): Promise<void> => {
    for (let tries = 0; tries < askTries; tries += 1) {
      if (await questions.ask(byKernel(deps, answerCall), session as SessionId, call)) return
      await runs.pause(askPauseMs, signal)
    }
  }
  await Promise.race([answered, show()])
  return (await answered).status === 'ok' ? 'allowed' : 'denied'
}
