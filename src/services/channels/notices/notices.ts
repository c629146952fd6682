/**
 * Notices in chats: what a person should hear of without asking. A schedule reports to where it was made, everything else goes along `notify.to`, to
 * the first channel that works. In quiet hours notices wait, and come as one; those about budgets, and urgent ones, do not wait. A chat that is
 * `/quiet` gets none but urgent ones.
 */
import { derivedId, isObject, type JsonObject, textIn, truncate } from '../../../base/index.ts'
import { sectionOf } from '../../../config/index.ts'
import { noticeKind, type RecordView, sayNotice } from '../../../protocol/index.ts'
import type { HeldRuns } from '../../../runs/index.ts'
import { isQuiet, type QuietHours, quietUntil } from '../../quiet-hours.ts'
import { askAsPerson, byKernel, type ChannelDeps, type Of } from '../channel-deps.ts'
import {
  change,
  type ChannelDoc,
  type ChannelHealth,
  type ChatDoc,
  newDelivery,
  noticeCategory,
  outboxCategory,
} from '../channel-records.ts'
import type { Chats } from '../chats.ts'
import { notifyConfig } from '../config.ts'
import type { Identities } from '../identities.ts'
import { deadLetterMs, maxNoticeChars, maxNotices, noticeDownMs, noticeRetryMs } from '../limits.ts'
import type { Outbox } from '../outbox.ts'

interface Notice {
  readonly id: string
  readonly text: string
  readonly at: number
  /** It waits for no end of quiet hours, and for no chat that is quiet. */
  readonly urgent: boolean
  /** The session in which its cause was made; empty: none. */
  readonly origin: string
  /** It may tell what others should not read: it goes to no group by itself. */
  readonly private: boolean
}

/** The one document of `system/channel_notices`. */
interface NoticesDoc {
  readonly waiting: readonly Notice[]
}

const docName = 'all'

export interface Notices {
  load(): Promise<void>
  /** Queues a notice for the person. Durable when it resolves. @returns false where nothing says where it goes */
  send(of: Of, notice: { readonly id: string; readonly text: string; readonly urgent: boolean }): Promise<boolean>
  /** Makes a notice of each event that a person should hear of. */
  watch(record: RecordView): void
}

interface NoticeParts {
  readonly chats: Chats
  readonly identities: Identities
  readonly outbox: Pick<Outbox, 'wake'>
  readonly all: () => Promise<readonly ChannelDoc[]>
  readonly health: (channel: string) => ChannelHealth
}

type Place = Pick<ChatDoc, 'channel' | 'space' | 'chat' | 'thread'>

/** About money: a person who is asleep pays, too. */
const neverQuiet: ReadonlySet<string> = new Set(['budget_warning', 'costs_high'])

export function createNotices(deps: ChannelDeps, parts: NoticeParts): Notices {
  const { runs, documents } = deps
  const held: HeldRuns<NoticesDoc> = runs.hold<NoticesDoc>({
    name: 'channel notices',
    category: noticeCategory,
    dueAt: ({ waiting }) => (waiting.length === 0 ? null : 0),
    goOn: () => sendDue(deps, parts, held),
  })
  const queue = async (of: Of, notice: Notice): Promise<boolean> => {
    // Without a place it would wait in vain.
    if (notice.origin === '' && sectionOf(notifyConfig, deps.config).to.length === 0) return false
    await documents.update<NoticesDoc>(of, noticeCategory, docName, async (current) => {
      const waiting = current?.value.waiting ?? []
      if (waiting.some(({ id }) => id === notice.id)) return []
      return [change(noticeCategory, docName, { waiting: [...waiting, notice].slice(-maxNotices) })]
    })
    return true
  }
  const ofEvent = async (kind: string, fields: JsonObject, { seq, at, session }: RecordView): Promise<void> => {
    const found = noticeKind(kind, fields)
    if (found === undefined) return
    const { text, more } = await sayNotice({ kind: found, fields }, askAsPerson(deps))
    // The end of a member's day is no news for the owner, and a member hears nothing of the owner's.
    if (kind === 'budget_warning' && session !== '' && (await parts.chats.ofSession(session)) !== null && isOfTurn(fields)) return
    const { origin, isPrivate } = await originOf(deps, fields)
    const chat = origin === '' ? null : await parts.chats.ofSession(origin)
    const said = `${text.charAt(0).toUpperCase()}${text.slice(1)}.${chat === null ? ` (\`${more}\`)` : ''}`
    await queue(byKernel(deps, 'channel.notice'), {
      id: derivedId('notice of', seq),
      text: truncate(said, maxNoticeChars),
      at,
      urgent: neverQuiet.has(kind),
      origin: chat === null ? '' : origin,
      private: isPrivate,
    })
  }
  return {
    load: held.load,
    send: (of, { id, text, urgent }) => queue(of, { id, text, urgent, at: deps.clock.now(), origin: '', private: true }),
    watch(record) {
      const { name, phase, body } = record
      if (!name.startsWith('event.') || phase !== 'exchange' || !isObject(body)) return
      void ofEvent(name.slice('event.'.length), body, record).catch(() => {})
    },
  }
}

/** The budget was carved for a turn. */
const isOfTurn = (fields: JsonObject): boolean => textIn(fields, 'budget').startsWith('run:')

/** Where the schedule was made, and whether its run has read private data; empty for what has no schedule. */
async function originOf(deps: ChannelDeps, fields: JsonObject): Promise<{ readonly origin: string; readonly isPrivate: boolean }> {
  const id = textIn(fields, 'schedule')
  if (id === '') return { origin: '', isPrivate: true }
  const ask = askAsPerson(deps)
  const [found, runs] = await Promise.all([
    ask('schedule.search', { name: textIn(fields, 'name').slice(0, 100), limit: 100 }),
    ask('schedule.runs', { id, limit: 1 }),
  ])
  const schedules = found.status === 'ok' ? found.output.schedules : []
  const [newest] = runs.status === 'ok' ? runs.output.runs : []
  return {
    origin: schedules.find((each) => each.id === id)?.origin ?? '',
    isPrivate: (newest?.labels ?? ['private']).includes('private'),
  }
}

/** @returns when to look again; nothing: nothing waits */
async function sendDue(deps: ChannelDeps, parts: NoticeParts, held: HeldRuns<NoticesDoc>): Promise<number | undefined> {
  const { clock } = deps
  let again: number | undefined
  await held.update(byKernel(deps, 'channel.notice'), docName, async (current) => {
    const now = clock.now()
    const end = await endOfQuiet(deps, now)
    const groups = new Map<string, { readonly place: Place; readonly notices: Notice[] }>()
    const kept: Notice[] = []
    const later = (at: number): void => void (again = Math.min(again ?? Infinity, at))
    const all = current?.waiting ?? []
    const alive = all.filter(({ at }) => now - at < deadLetterMs)
    for (const notice of alive) {
      const found = end !== null && !notice.urgent ? { later: end } : await placeFor(deps, parts, notice, now)
      if ('later' in found) {
        kept.push(notice)
        later(found.later)
        continue
      }
      const key = JSON.stringify(found.place)
      const group = groups.get(key) ?? { place: found.place, notices: [] }
      group.notices.push(notice)
      groups.set(key, group)
    }
    if (groups.size === 0 && alive.length === all.length) return []
    const deliveries = [...groups.values()].map(({ place, notices }) =>
      newDelivery(derivedId('notices', ...notices.map(({ id }) => id)), { ...place, kind: 'notice', text: textOf(notices), made_at: now }),
    )
    return [
      change(noticeCategory, docName, kept.length === 0 ? null : { waiting: kept }),
      ...deliveries.map((delivery) => change(outboxCategory, delivery.id, delivery)),
    ]
  })
  parts.outbox.wake()
  return again
}

function textOf(notices: readonly Notice[]): string {
  const [first] = notices
  if (notices.length === 1) return first!.text
  return [
    `**${notices.length} notices**`,
    ...notices.map(({ text, at }) => `- ${new Date(at).toISOString().slice(11, 16)} UTC: ${text.replaceAll('\n', ' ')}`),
  ].join('\n')
}

async function endOfQuiet({ config }: ChannelDeps, now: number): Promise<number | null> {
  const { quiet, time_zone } = sectionOf(notifyConfig, config)
  if (quiet === undefined) return null
  const hours: QuietHours = { from: quiet.slice(0, 5), to: quiet.slice(6), time_zone }
  return isQuiet(now, hours) ? quietUntil(now, hours) : null
}

/** The first place that takes it now; where none does, when to look again. */
async function placeFor(
  deps: ChannelDeps,
  parts: NoticeParts,
  notice: Notice,
  now: number,
): Promise<{ readonly place: Place } | { readonly later: number }> {
  const origin = notice.origin === '' ? null : await parts.chats.ofSession(notice.origin)
  const own = origin === null || (origin.kind === 'group' && notice.private) ? [] : [origin]
  const listed = await Promise.all(sectionOf(notifyConfig, deps.config).to.map((to) => chatsAt(parts, to)))
  const channels = await parts.all()
  for (const chat of [...own, ...listed.flat()]) {
    if (chat.quiet && !notice.urgent) continue
    const { channel, space, chat: id, thread } = chat
    const down = downSince(channels, parts, channel)
    if (down === null) return { place: { channel, space, chat: id, thread } }
    // It may be back in a moment; only then the next one is tried.
    if (now - down < noticeDownMs) return { later: Math.min(down + noticeDownMs, now + noticeRetryMs) }
  }
  return { later: now + noticeRetryMs }
}

/** @returns since when a channel is down; null: it works */
function downSince(channels: readonly ChannelDoc[], { health }: NoticeParts, name: string): number | null {
  const channel = channels.find((each) => each.name === name)
  if (channel === undefined || channel.state === 'paused') return -Infinity
  const { state, since } = health(name)
  return state === 'up' ? null : state === 'failed' ? -Infinity : since
}

/** `CHANNEL`: the direct chats of its owners, the first that there is; `CHANNEL:CHAT`: that chat. */
async function chatsAt({ chats, identities }: NoticeParts, to: string): Promise<readonly ChatDoc[]> {
  const [channel = '', ...rest] = to.split(':')
  const id = rest.join(':')
  if (id !== '') return (await chats.all()).filter((each) => each.channel === channel && each.chat === id).slice(0, 1)
  for (const owner of (await identities.all(channel)).filter(({ role }) => role === 'owner')) {
    const direct = await chats.directOf(channel, owner.id)
    if (direct !== null) return [direct]
  }
  return []
}
