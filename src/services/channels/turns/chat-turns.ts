/** How the next message of a chat becomes a turn, and its answer a delivery. Each step is on record before the next. */
import { type CallId, derivedId, isDerived, isObject, type Json, type SessionId, type TurnId } from '../../../base/index.ts'
import type { DocumentChange } from '../../../kernel/index.ts'
import { decideCall, endsTurn, isEnd, type RecordView, type TurnDecision } from '../../../protocol/index.ts'
import type { HeldRuns } from '../../../runs/index.ts'
import { followCategory } from '../../access/service.ts'
import { byKernel, type ChannelDeps } from '../channel-deps.ts'
import {
  change,
  chatCategory,
  type ChatDoc,
  identityCategory,
  newDelivery,
  outboxCategory,
  processRight,
  type Running,
  type Waiting,
  waitsToBeHeard,
} from '../channel-records.ts'
import { type Identity, type Role, roleSchema } from '../channel-schemas.ts'
import { maxPast } from '../limits.ts'
import type { Outbox } from '../outbox.ts'
import { createSpending, type Spending, usedUp, usedUpId } from './spending.ts'
import { beginTurn } from './turn-message.ts'

export interface ChatTurnDeps extends ChannelDeps {
  readonly held: HeldRuns<ChatDoc>
  readonly outbox: Outbox
}

/** Takes the next message, or the running one to its end. @returns when to look again at a message that waits for another chat */
export async function goOn(deps: ChatTurnDeps, id: string, chat: ChatDoc, signal: AbortSignal): Promise<number | undefined> {
  const { held, runs } = deps
  const { running } = chat
  if (running === null) return takeNext(deps, id)
  if (running.heard_audio === 'stopped') return endRunning(deps, id, running)
  if (waitsToBeHeard(running)) return listen(deps, id, chat, running, signal)
  const { turn } = running
  // Whoever was unlinked while they were heard says nothing any more.
  const known = (await deps.documents.get<Identity>(identityCategory, running.identity))?.value
  if (known === undefined && !running.delivery) return endRunning(deps, id, running)
  const { cursor } = await beginTurn(deps, chat, known === undefined ? running : { ...running, role: lesserOf(running.role, known.role) })
  if (!running.delivery && (await isAnswered(deps, turn, signal))) {
    const reply = replyOf(deps, chat, running, cursor)
    const isMade = await deps.outbox.has(reply.id)
    await held.update(byKernel(deps, 'channel.deliver'), id, async (now) => {
      if (now?.running?.turn !== turn) return []
      const begun = change(chatCategory, id, { ...now, running: { ...now.running, delivery: true } })
      return isMade ? [begun] : [change(outboxCategory, reply.id, reply), begun]
    })
  }
  await runs.turns.ended(turn, signal)
  return endRunning(deps, id, running)
}

/** The next message may begin. What this one has spent is counted. */
async function endRunning(deps: ChatTurnDeps, id: string, { turn, ...running }: Running): Promise<undefined> {
  const counted = await createSpending(deps).count(running, turn, running.session, running.spent)
  await deps.held.update(byKernel(deps, 'channel.end'), id, async (now) =>
    now?.running?.turn === turn ? [change(chatCategory, id, { ...now, running: null }), ...counted] : [],
  )
  return undefined
}

/** Audio is heard before its turn begins: what was said is what runs. Where nothing of a message can be heard or read, it has no turn. */
async function listen(deps: ChatTurnDeps, id: string, chat: ChatDoc, running: Running, signal: AbortSignal): Promise<undefined> {
  const { hear } = await import('./hearing.ts')
  const heard = await hear(deps, chat, running, signal)
  for (const notice of heard.notices) await deps.outbox.make(byKernel(deps, 'channel.hear'), notice)
  if (heard.running === null) return endRunning(deps, id, running)
  const next = heard.running
  await deps.held.update(byKernel(deps, 'channel.hear'), id, async (now) =>
    now?.running?.turn === running.turn && waitsToBeHeard(now.running) ? [change(chatCategory, id, { ...now, running: next })] : [],
  )
  return undefined
}

/** Where others than an owner read an answer, the guest says what of it they are shown. */
function replyOf({ clock }: ChatTurnDeps, { voice = 'auto', ...place }: ChatDoc, running: Running, cursor: number) {
  const { channel, space, chat, thread, kind } = place
  return newDelivery(derivedId('reply', running.turn), {
    channel,
    space,
    chat,
    thread,
    kind: 'reply',
    session: running.session,
    turn: running.turn,
    cursor,
    reply_to: kind === 'group' ? running.message : '',
    guarded: kind === 'group' || running.role !== 'owner',
    spoken: voice === 'on' || (voice === 'auto' && running.heard_audio === 'spoken'),
    made_at: clock.now(),
  })
}

/** How often a message looks whether the rest of its sender's day is free. */
const freeMs = 500

async function takeNext(deps: ChatTurnDeps, id: string): Promise<number | undefined> {
  const spending: Spending = createSpending(deps)
  let again: number | undefined
  await deps.held.update(byKernel(deps, 'channel.begin'), id, async (now) => {
    const [first, ...queue] = now?.queue ?? []
    if (now === null || now.running !== null || first === undefined) return []
    // A message that waits acts by what its sender may when its turn begins: whoever was unlinked meanwhile may nothing.
    const known = (await deps.documents.get<Identity>(identityCategory, first.identity))?.value
    if (known === undefined) {
      const others = queue.filter(({ identity }) => identity !== first.identity)
      return [change(chatCategory, id, { ...now, queue: others })]
    }
    const next = { ...first, role: lesserOf(first.role, known.role) }
    // A session of the owner's own would run with the owner's rights, whoever speaks in it.
    const isOwn = next.role === 'owner' && now.kind === 'direct'
    const session = isOwn || isDerived(now.session) ? now.session : newSession(deps, now, next.role)
    const held = await spending.hold(next, next.turn, session)
    if (held === 'waits') again = deps.clock.now() + freeMs
    if (held === 'waits') return []
    if (held === 'used_up') return [change(chatCategory, id, { ...now, queue }), ...(await usedUpNotice(deps, now, next))]
    const { changes, before } = held
    const chat: ChatDoc = {
      ...withSession(now, session),
      running: { ...next, delivery: false, session, hints: now.hints, heard: now.heard, spent: before },
      queue,
      hints: [],
      heard: [],
      person: now.kind === 'direct' ? next.identity : '',
    }
    const follow: DocumentChange = change(followCategory, session, { right: processRight })
    return [follow, change(chatCategory, id, chat), ...changes]
  })
  deps.outbox.wake()
  return again
}

/** Unless they were told today. */
async function usedUpNotice(deps: ChatTurnDeps, { channel, space, chat, thread }: ChatDoc, { identity }: Waiting) {
  const id = usedUpId(identity, createSpending(deps).today())
  if (await deps.outbox.has(id)) return []
  const notice = newDelivery(id, { channel, space, chat, thread, kind: 'notice', text: usedUp, made_at: deps.clock.now() })
  return [change(outboxCategory, id, notice)]
}

/** @returns whichever of two roles has fewer rights */
export function lesserOf(one: Role, other: Role): Role {
  return roleSchema.options.findLast((role) => role === one || role === other)!
}

/** @returns the chat with another session; the one before still belongs to it */
export function withSession(chat: ChatDoc, session: SessionId): ChatDoc {
  return session === chat.session ? chat : { ...chat, session, past: [...chat.past, chat.session].slice(-maxPast) }
}

/**
 * A session that others may speak in has an id of its own kind, by which the kernel looks up with which rights its turns run. The owner's
 * direct chat is a session as any other.
 */
export function newSession({ newId }: Pick<ChannelDeps, 'newId'>, { kind }: Pick<ChatDoc, 'kind'>, role: Role): SessionId {
  const id = newId()
  return (role === 'owner' && kind === 'direct' ? id : derivedId('channel session', id)) as SessionId
}

const decisionTopic = (turn: string): string => `channel decision ${turn}`

/** Whoever waits for the decision about a turn looks again. @returns what the records are given to */
export function watchDecisions({ runs }: Pick<ChannelDeps, 'runs'>): (record: RecordView) => void {
  return (record) => {
    if (record.name === decideCall ? isEnd(record) : endsTurn(record)) runs.changed(decisionTopic(record.turn))
  }
}

/** Waits for what the step *decide* says of the message. @returns whether it is answered */
async function isAnswered({ runs, store, outcomeOf }: ChannelDeps, turn: TurnId, signal: AbortSignal): Promise<boolean> {
  const call = derivedId(turn, decideCall) as CallId
  const look = async (): Promise<TurnDecision['action'] | null> => {
    const ended = await outcomeOf(turn)
    if (ended !== null) return actionIn(ended['decision']) ?? 'respond'
    const [found] = await store.records({ call, phases: ['outcome'], order: 'newest_first', limit: 1, hydrate: false })
    return found === undefined ? null : actionIn(JSON.parse(found.body) as Json)
  }
  return (await runs.until(decisionTopic(turn), look, { signal, until: Infinity })) === 'respond'
}

function actionIn(said: Json | undefined): TurnDecision['action'] | null {
  const action = isObject(said) ? said['action'] : undefined
  return action === 'respond' || action === 'ignore' || action === 'stop' ? action : null
}
