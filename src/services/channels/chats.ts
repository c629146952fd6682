/**
 * Chats: each is a session, whose messages become turns one after another. A chat is a run: its document says what waits, and which turn it has,
 * so that a crash at any point neither loses a message nor makes two turns of one.
 */
import { truncate, type SessionId } from '../../base/index.ts'
import type { DocumentChange } from '../../kernel/index.ts'
import type { HeldRuns } from '../../runs/index.ts'
import { followCategory } from '../access/service.ts'
import type { ChannelDeps, Of } from './channel-deps.ts'
import {
  type AskDoc,
  askCategory,
  change,
  chatCategory,
  type ChatDoc,
  chatId,
  type Heard,
  identityCategory,
  processRight,
  type Waiting,
} from './channel-records.ts'
import type { Identity, Role } from './channel-schemas.ts'
import { maxHeard, maxHeardChars, maxHints, maxRecent, maxWaiting } from './limits.ts'
import type { Outbox } from './outbox.ts'
import { goOn, newSession, withSession } from './turns/chat-turns.ts'

/** Where a chat is, and its kind. */
export type ChatPlace = Pick<ChatDoc, 'channel' | 'space' | 'chat' | 'thread' | 'kind'>

/** A chat with all its threads. */
type Whereabouts = Pick<ChatDoc, 'space' | 'chat'>

/** What became of an edit. */
type Revised = 'changed' | 'withdrawn' | 'hint' | 'unknown'

/** What became of a message. */
type Taken = 'taken' | 'known' | 'full'

/** What is recorded along with a change of a chat, where there is one. */
type Also = () => readonly DocumentChange[]

export interface Chats {
  load(): Promise<void>
  get(place: Pick<ChatDoc, 'channel' | 'space' | 'chat' | 'thread'>): Promise<ChatDoc | null>
  all(): Promise<readonly ChatDoc[]>
  /** Queues a message for its turn, in its chat, which is made with the first. Durable when it resolves. */
  take(of: Of, place: ChatPlace, message: Waiting, also?: Also): Promise<Taken>
  /** Marks a message as dealt with that becomes no turn. @returns false if it was before */
  note(of: Of, place: ChatPlace, message: Pick<Waiting, 'message' | 'role'>, also?: Also): Promise<boolean>
  /** Keeps what was said in a group, not to the agent. The newest are kept. */
  hear(of: Of, place: ChatPlace, heard: Heard): Promise<void>
  /** It says something else now, or nothing. */
  rehear(of: Of, place: ChatPlace, message: string, sender: string, text: string | null): Promise<void>
  /** A message says something else now, or nothing any more. */
  revise(of: Of, place: ChatPlace, message: string, text: string | null, by: Identity): Promise<Revised>
  change(of: Of, place: ChatPlace, next: (chat: ChatDoc) => ChatDoc): Promise<void>
  /** Another session, from the next message on. */
  renew(of: Of, place: ChatPlace, role: Role): Promise<SessionId>
  /** Messages of a chat that no longer wait. @returns how many */
  clear(of: Of, place: ChatPlace): Promise<number>
  /** A group has another id. @returns how many chats have moved: one for each of its topics */
  move(of: Of, channel: string, from: Whereabouts, to: Whereabouts): Promise<number>
  /** The chat to which a session belongs, or has belonged. */
  ofSession(session: string): Promise<ChatDoc | null>
  /** The chat in which an identity and the bot are alone. */
  directOf(channel: string, identity: string): Promise<ChatDoc | null>
}

export function createChats(deps: ChannelDeps, outbox: Outbox): Chats {
  const { documents, runs } = deps
  const held: HeldRuns<ChatDoc> = runs.hold<ChatDoc>({
    name: 'channel chats',
    category: chatCategory,
    dueAt: ({ running, queue }) => (running === null && queue.length === 0 ? null : 0),
    goOn: async ({ id, state, signal }) => goOn({ ...deps, held, outbox }, id, state, signal),
  })
  const update: Update = async (of, place, role, next, also = () => []) => {
    const id = chatId(place)
    await documents.update<ChatDoc>(of, chatCategory, id, async (current) => {
      const known = current?.value ?? newChat(deps, place, role)
      const changed = next(known)
      if (changed === null) return []
      const then = { ...changed, past: withSession(known, changed.session).past }
      const follow = change(followCategory, then.session, { right: processRight })
      return [change(chatCategory, id, then), ...(current === null || then.session !== known.session ? [follow] : []), ...also()]
    })
  }
  const get: Chats['get'] = async (place) => (await documents.get<ChatDoc>(chatCategory, chatId(place)))?.value ?? null
  const all: Chats['all'] = async () => (await documents.all<ChatDoc>(chatCategory)).map(({ value }) => value)
  return {
    load: held.load,
    get,
    all,
    ...queueOf(get, update),
    move: (of, channel, from, to) => move(deps, of, channel, from, to),
    async ofSession(session) {
      const found = await all()
      return found.find((each) => each.session === session) ?? found.find(({ past }) => past.some((each) => each === session)) ?? null
    },
    change: (of, place, next) => update(of, place, 'owner', next),
    async renew(of, place, role) {
      const session = newSession(deps, place, role)
      await update(of, place, role, (now) => ({ ...now, session }))
      return session
    },
    async directOf(channel, identity) {
      // Where its last message was of that identity.
      return (await all()).find((each) => each.channel === channel && each.kind === 'direct' && each.person === identity) ?? null
    },
  }
}

/** Changes a chat, which is made with its first change. @param next null: nothing changes */
type Update = (of: Of, place: ChatPlace, role: Role, next: (now: ChatDoc) => ChatDoc | null, also?: Also) => Promise<void>

/** What comes into a chat, and what becomes of it before its turn. */
function queueOf(get: Chats['get'], update: Update): Pick<Chats, 'take' | 'note' | 'revise' | 'hear' | 'rehear' | 'clear'> {
  return {
    async take(of, place, message, also) {
      let taken: Taken = 'taken'
      const next = (now: ChatDoc): ChatDoc | null => {
        taken = now.recent.includes(message.message) ? 'known' : now.queue.length >= maxWaiting ? 'full' : 'taken'
        return taken === 'taken' ? { ...now, queue: [...now.queue, message], recent: recentWith(now, message.message) } : null
      }
      await update(of, place, message.role, next, also)
      return taken
    },
    async note(of, place, { message, role }, also) {
      let isNew = true
      const next = (now: ChatDoc): ChatDoc | null => {
        isNew = !now.recent.includes(message)
        return isNew ? { ...now, recent: recentWith(now, message) } : null
      }
      await update(of, place, role, next, also)
      return isNew
    },
    async revise(of, place, message, text, by) {
      let became: Revised = 'unknown'
      if ((await get(place)) === null) return became
      await update(of, place, by.role, (now) => {
        const revised = revise(now, message, text, by)
        became = revised.became
        return revised.chat
      })
      return became
    },
    hear: (of, place, heard) =>
      update(of, place, 'guest', (now) => {
        if (now.heard.some(({ message }) => message === heard.message) || now.recent.includes(heard.message)) return null
        return { ...now, heard: [...now.heard, { ...heard, text: truncate(heard.text, maxHeardChars) }].slice(-maxHeard) }
      }),
    async rehear(of, place, message, sender, text) {
      const isIt = (each: Heard): boolean => each.message === message && each.sender === sender
      if ((await get(place))?.heard.some(isIt) !== true) return
      await update(of, place, 'guest', (now) => ({
        ...now,
        heard: now.heard.flatMap((each) =>
          !isIt(each) ? [each] : text === null ? [] : [{ ...each, text: truncate(text, maxHeardChars) }],
        ),
      }))
    },
    async clear(of, place) {
      let dropped = 0
      await update(of, place, 'owner', (now) => {
        dropped = now.queue.length
        return dropped === 0 ? null : { ...now, queue: [] }
      })
      return dropped
    },
  }
}

const recentWith = ({ recent }: ChatDoc, message: string): readonly string[] => [...recent, message].slice(-maxRecent)

/** Whoever has written a message changes it, and nobody else. */
function revise(
  now: ChatDoc,
  message: string,
  text: string | null,
  by: Identity,
): { readonly became: Revised; readonly chat: ChatDoc | null } {
  const waits = now.queue.find((each) => each.message === message)
  if (waits !== undefined) {
    if (waits.identity !== by.id) return { became: 'unknown', chat: null }
    const queue = now.queue.flatMap((each) => (each !== waits ? [each] : text === null ? [] : [{ ...each, text }]))
    return { became: text === null ? 'withdrawn' : 'changed', chat: { ...now, queue } }
  }
  if (!now.recent.includes(message)) return { became: 'unknown', chat: null }
  const hint = { by: by.role, words: text === null ? null : truncate(text, maxHintChars) }
  return { became: 'hint', chat: { ...now, hints: [...now.hints, hint].slice(-maxHints) } }
}

/** Characters of a changed message in a hint. */
const maxHintChars = 2_000

function newChat(deps: ChannelDeps, { channel, space, chat, thread, kind }: ChatPlace, role: Role): ChatDoc {
  return {
    channel,
    space,
    chat,
    thread,
    kind,
    session: newSession(deps, { kind }, role),
    person: '',
    model: '',
    quiet: false,
    running: null,
    queue: [],
    hints: [],
    heard: [],
    past: [],
    recent: [],
  }
}

/** A group has another id: all its chats move, with their sessions, what waits there, and who may speak there. */
async function move({ documents }: ChannelDeps, of: Of, channel: string, from: Whereabouts, to: Whereabouts): Promise<number> {
  const isThere = (each: Whereabouts & { readonly channel: string }): boolean =>
    each.channel === channel && each.space === from.space && each.chat === from.chat
  const all = (await documents.all<ChatDoc>(chatCategory)).map(({ value }) => value)
  const moved = all.filter((each) => isThere(each) && each.kind === 'group')
  if (moved.length === 0) return 0
  const changes = moved.flatMap((each) => {
    const next = { ...each, ...to }
    // A message may have come from there before.
    const known = all.find((other) => chatId(other) === chatId(next))
    const kept = known === undefined ? next : { ...withSession(known, each.session), queue: [...each.queue, ...known.queue] }
    return [change(chatCategory, chatId(each), null), change(chatCategory, chatId(next), kept)]
  })
  const asks = (await documents.all<AskDoc>(askCategory)).filter(({ value }) => isThere(value))
  const guests = (await documents.all<Identity>(identityCategory)).filter(
    ({ value }) => value.channel === channel && value.groups.includes(from.chat),
  )
  await documents.put(of, [
    ...changes,
    ...asks.map(({ name, value }) => change(askCategory, name, { ...value, ...to })),
    ...guests.map(({ name, value }) =>
      change(identityCategory, name, { ...value, groups: value.groups.map((each) => (each === from.chat ? to.chat : each)) }),
    ),
  ])
  return moved.length
}
