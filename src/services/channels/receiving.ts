/**
 * What comes in: who speaks, whether it is for us, and what becomes of it. Rules decide, in this order: the channel, the identity, the role, the
 * rate, a command, the group, the budget. The record of the call `channel.receive` says what was decided, and why. Whether a message that becomes
 * a turn is answered, the turn's own step *decide* says.
 */
import { derivedId, truncate } from '../../base/index.ts'
import { sectionOf } from '../../config/index.ts'
import type { DocumentChange } from '../../kernel/index.ts'
import type { TurnSource } from '../../protocol/index.ts'
import { respondConfig } from '../respond/service.ts'
import { channelsConfig } from './config.ts'
import type { ChannelDeps, Of } from './channel-deps.ts'
import { type ChannelDoc, type ChannelHealth, linkedText, newDelivery, shownOf, turnOf, type Waiting } from './channel-records.ts'
import { type Announced, type Decided, type Identity, type Received } from './channel-schemas.ts'
import type { ChatPlace, Chats } from './chats.ts'
import { createCommands } from './commands.ts'
import type { Identities } from './identities.ts'
import { catchUpMs, maxCatchUpMs, maxTextChars, ratePerWindow } from './limits.ts'
import type { Missed } from './notices/missed.ts'
import type { Outbox } from './outbox.ts'
import { createRates, type Rates } from './rates.ts'
import { createSpending, usedUp, usedUpId } from './turns/spending.ts'

export interface Receiving {
  /** @throws OxbowError `not_found` for a channel that there is not */
  receive(of: Of, message: Received): Promise<Decided>
  /** Whether a message would become a turn, so that its files are worth reading. */
  wantsFiles(channel: ChannelDoc, message: Announced): Promise<boolean>
}

interface ReceivingParts {
  readonly chats: Chats
  readonly identities: Identities
  readonly outbox: Outbox
  readonly missed: Missed
  readonly channel: (name: string) => Promise<ChannelDoc>
  readonly health: (channel: string) => ChannelHealth
}

interface Incoming {
  readonly of: Of
  readonly message: Received
  readonly place: ChatPlace
}

export function createReceiving(deps: ChannelDeps, parts: ReceivingParts): Receiving {
  const { chats, identities } = parts
  const rates = createRates(deps)
  const commands = createCommands(deps, parts)
  const say = sayIn(deps, parts)
  return {
    async wantsFiles(channel, message) {
      if (channel.state === 'paused' || message.automatic !== '' || !message.is_verified || isOld(deps, parts, message)) return false
      const identity = await identities.find(channel.name, message.space, message.sender)
      if (identity === null || whyNotHere(identity, message) !== '' || (await rates.isOver(identity))) return false
      return message.kind === 'direct' || message.is_for_us || respondsToAll(deps.config)
    },
    async receive(of, message) {
      const sender = message.is_verified ? identities.find(message.channel, message.space, message.sender) : null
      const [channel, identity] = await Promise.all([parts.channel(message.channel), sender])
      const place = { ...placeOf(message), kind: message.kind }
      const incoming: Incoming = { of, message, place }
      if (channel.state === 'paused') return refused('the channel is paused')
      if (message.automatic !== '') return ignored(message.automatic)
      if (identity === null) return fromStranger(deps, parts, rates, say, incoming)
      const known = { identity: identity.id, role: identity.role } as const
      // What is refused is on record, up to so many a day.
      const overRate = async (until: number): Promise<Decided> => {
        const isHeard = (await rates.refuse(of, message)) === 0
        return { ...refused('over the rate'), ...known, silent_until: isHeard ? 0 : until }
      }
      if (message.change === 'edited') {
        // Each edit is a record, and words for the next turn: no way around the rate.
        const { until } = await rates.take({ id: `${identity.id} edits`, role: identity.role })
        if (until > 0) return overRate(until)
      }
      if (message.change !== 'new') return { ...(await revised(parts, incoming, identity)), ...known }
      const promoted = await withCode(parts, say, incoming, identity)
      if (promoted !== null) return promoted
      const here = whyNotHere(identity, message)
      if (here !== '') return { ...ignored(here), ...known }
      const isCommand = commands.isCommand(message)
      if (!isCommand && !isForUs(deps, message)) return { ...(await overheard(deps, parts, incoming)), ...known }
      const isKnown = async (): Promise<boolean> => (await chats.get(place))?.recent.includes(message.message) === true
      if (isOld(deps, parts, message)) {
        if (await isKnown()) return { ...ignored('known'), ...known }
        await parts.missed.note(of, place, message)
        return { ...ignored('older than a day'), ...known, became: 'missed' }
      }
      const counted = await rates.take(identity)
      const { from, until } = counted
      if (until > 0) {
        if (await isKnown()) return { ...ignored('known'), ...known }
        const text = `That is more than ${ratePerWindow[identity.role]} messages in ten minutes. I will read on when they are over.`
        await say(of, message, text, derivedId('rate notice', identity.id, String(from)))
        return overRate(until)
      }
      const kept = (): readonly DocumentChange[] => [rates.kept(identity.id)]
      if (isCommand) {
        const isNew = await chats.note(of, place, { message: message.message, role: identity.role }, kept)
        if (isNew) await commands.run(of, place, identity, message)
        else rates.giveBack(identity.id, counted)
        return { ...ignored(message.text.split(/\s/)[0] ?? ''), ...known, became: 'command' }
      }
      const decided = await toTurn(deps, parts, say, incoming, { identity, kept })
      if (decided.why === 'known') rates.giveBack(identity.id, counted)
      return { ...decided, ...known }
    },
  }
}

const ignored = (why: string): Decided => ({ became: 'ignored', why, identity: '', role: '', turn: '', silent_until: 0 })

const refused = (why: string): Decided => ({ ...ignored(why), became: 'refused' })

const placeOf = ({ channel, space, chat, thread }: ChatPlace) => ({ channel, space, chat, thread })

type Say = (of: Of, to: Received, text: string, id?: string) => Promise<void>

/** @returns what answers where a message came from; without an id, once for each message */
function sayIn({ clock }: ChannelDeps, { outbox }: ReceivingParts): Say {
  return (of, to, text, id = derivedId('notice', to.channel, to.space, to.chat, to.message)) =>
    outbox.make(of, newDelivery(id, { ...placeOf({ ...to }), kind: 'notice', text, made_at: clock.now() }))
}

/** Who has said it, and the count of their rate. */
interface Speaking {
  readonly identity: Identity
  readonly kept: () => readonly DocumentChange[]
}

async function toTurn(
  deps: ChannelDeps,
  { chats }: ReceivingParts,
  say: Say,
  { of, message, place }: Incoming,
  { identity, kept }: Speaking,
) {
  const spending = createSpending(deps)
  if (!(await spending.isLeft({ identity: identity.id, role: identity.role }))) {
    await say(of, message, usedUp, usedUpId(identity.id, spending.today()))
    return ignored('the budget of the day is used up')
  }
  const turn = turnOf(message.channel, message.space, message.chat, message.message)
  const taken = await chats.take(of, place, waitingOf(message, identity, turn), kept)
  if (taken === 'full') {
    await say(of, message, 'Too many messages wait here already, so this one is not taken. /cancelall drops them.')
    return refused('too many wait')
  }
  return { ...ignored(taken), became: 'turn' as const, turn }
}

function waitingOf(message: Received, identity: Identity, turn: Waiting['turn']): Waiting {
  const { shown, text, quoted, files, at } = message
  return {
    turn,
    message: message.message,
    identity: identity.id,
    shown: shownOf(shown),
    role: identity.role,
    text: truncate(text, maxTextChars),
    quoted: quoted.map((each) => truncate(each, maxTextChars)),
    files,
    at,
    source: sourceOf(message),
  }
}

/** Characters of a name in the source of a turn. */
const maxSourceChars = 200

function sourceOf({ kind, mentions_us: mention, replies_to_us: reply, is_bot: bot, channel, chat }: Received): TurnSource {
  return {
    kind,
    ...(mention && { mention: true as const }),
    ...(reply && { reply: true as const }),
    ...(bot && { bot: true as const }),
    channel: channel.slice(0, maxSourceChars),
    chat: chat.slice(0, maxSourceChars),
  }
}

/** A guest speaks in the groups that were named, and nowhere else. */
function whyNotHere({ role, groups }: Identity, { kind, chat }: Pick<Received, 'kind' | 'chat'>): string {
  if (role !== 'guest') return ''
  return kind === 'group' && groups.includes(chat) ? '' : 'a guest, who may not speak here'
}

/** Of a group, what mentions or answers the agent, and everything where a rule of `[respond]` decides about the rest. */
export function isForUs({ config }: Pick<ChannelDeps, 'config'>, { kind, mentions_us: mention, replies_to_us: reply }: Received): boolean {
  return kind === 'direct' || mention || reply || respondsToAll(config)
}

/** Whether the step *decide* is asked about what is not addressed to the agent. */
function respondsToAll(config: ChannelDeps['config']): boolean {
  return sectionOf(respondConfig, config).group !== 'addressed'
}

/** Only where the person wants that, the words of others in a group are kept until the next message to the agent. */
async function overheard({ config }: ChannelDeps, { chats }: ReceivingParts, { of, place, message }: Incoming): Promise<Decided> {
  const isRead = message.kind === 'group' && sectionOf(channelsConfig, config).read_group
  if (!isRead || message.text.trim() === '') return ignored('not addressed in a group')
  const { message: id, sender, shown, text } = message
  await chats.hear(of, place, { message: id, sender, shown: shownOf(shown), text })
  return { ...ignored('read along (channels.read_group)'), became: 'heard' }
}

async function revised({ chats }: ReceivingParts, { of, place, message }: Incoming, identity: Identity): Promise<Decided> {
  const text = message.change === 'deleted' ? null : truncate(message.text, maxTextChars)
  const became = await chats.revise(of, place, message.message, text, identity)
  if (became === 'unknown') await chats.rehear(of, place, message.message, message.sender, text)
  return { ...ignored(became), became: became === 'unknown' ? 'ignored' : 'changed' }
}

/**
 * What waited on the platform for more than a day is listed, and not answered. A channel that has been connected for long gets nothing that
 * old: then a clock is wrong, and the message is new.
 */
function isOld({ clock }: ChannelDeps, { health }: ReceivingParts, { at, channel }: Pick<Received, 'at' | 'channel'>): boolean {
  const now = clock.now()
  const { state, since } = health(channel)
  // A command of a platform's menu has no time, and comes at once or never.
  return at > 0 && now - at > maxCatchUpMs && (state !== 'up' || now - since < catchUpMs)
}

/** Whoever is a member already may be given a code for more; it is no message to the agent, whatever becomes of it. */
async function withCode({ identities }: ReceivingParts, say: Say, { of, message }: Incoming, { role }: Identity): Promise<Decided | null> {
  if (role === 'owner' || message.kind !== 'direct') return null
  const { channel, space, sender, shown, text } = message
  const claimed = await identities.claim(of, { channel, space, sender, shown }, text)
  if (claimed === null || claimed === 'wrong') return null
  await say(of, message, linkedText(claimed.role))
  return { ...ignored(''), became: 'linked', identity: claimed.id, role: claimed.role }
}

/** Nobody hears that there is an agent, unless the person wants that. */
async function fromStranger(deps: ChannelDeps, parts: ReceivingParts, rates: Rates, say: Say, incoming: Incoming): Promise<Decided> {
  const { of, message, place } = incoming
  const { identities, chats } = parts
  const asStranger = async (why: string): Promise<Decided> => ({
    ...ignored(why),
    became: 'stranger',
    silent_until: await rates.refuse(of, message),
  })
  if (message.kind === 'group' && message.is_verified && sectionOf(channelsConfig, deps.config).read_group) {
    if (message.change === 'new') return overheard(deps, parts, incoming)
    await chats.rehear(of, place, message.message, message.sender, message.change === 'deleted' ? null : message.text)
    return ignored('not linked')
  }
  if (message.is_bot) return asStranger('a bot')
  if (message.change !== 'new' || message.kind !== 'direct') return asStranger('not linked')
  if (!message.is_verified) return asStranger('the platform does not vouch for the sender')
  const sender = { channel: message.channel, space: message.space, sender: message.sender, shown: message.shown }
  const claimed = await identities.claim(of, sender, message.text)
  if (claimed === 'wrong') {
    await say(of, message, 'This code is not valid. Ask for a new one: `oxbow channel pair`.')
    return asStranger('a wrong code')
  }
  if (claimed !== null) {
    await say(of, message, linkedText(claimed.role))
    return { ...ignored(''), became: 'linked', identity: claimed.id, role: claimed.role }
  }
  if (sectionOf(channelsConfig, deps.config).strangers !== 'code') return asStranger('not linked')
  const code = await identities.offer(of, sender, message.chat)
  await say(of, message, `I do not know you. Tell the owner this code, which is good for ten minutes: ${code.slice(0, 4)}-${code.slice(4)}`)
  return asStranger('was shown a code')
}
