/**
 * What comes in: who speaks, whether it is for us, and what becomes of it. Rules decide, in this order: the channel, the identity, the role, the
 * rate, a command, the group. The record of the call `channel.receive` says what was decided, and why.
 */
import { createRecentMap, derivedId, truncate } from '../../base/index.ts'
import { sectionOf } from '../../config/index.ts'
import { channelsConfig } from './config.ts'
import type { ChannelDeps, Of } from './channel-deps.ts'
import { type ChannelDoc, newDelivery, turnOf, type Waiting } from './channel-records.ts'
import { type Decided, type Identity, type Received } from './channel-schemas.ts'
import type { ChatPlace, Chats } from './chats.ts'
import { createCommands } from './commands.ts'
import type { Identities } from './identities.ts'
import { maxSenders, maxTextChars, ratePerWindow, rateWindowMs } from './limits.ts'
import type { Outbox } from './outbox.ts'

export interface Receiving {
  receive(of: Of, channel: ChannelDoc, message: Received): Promise<Decided>
}

interface ReceivingParts {
  readonly chats: Chats
  readonly identities: Identities
  readonly outbox: Outbox
}

export function createReceiving(deps: ChannelDeps, parts: ReceivingParts): Receiving {
  const { chats, identities, outbox } = parts
  const rates = createRates(deps)
  const commands = createCommands(deps, parts)
  const say = (of: Of, to: Received, text: string, name = 'notice'): Promise<void> =>
    outbox.make(
      of,
      newDelivery(derivedId(name, to.channel, to.space, to.chat, to.message), {
        ...placeOf(to),
        kind: 'notice',
        text,
        made_at: deps.clock.now(),
      }),
    )
  return {
    async receive(of, channel, message) {
      const place = { ...placeOf(message), kind: message.kind }
      if (channel.state === 'paused') return ignored('the channel is paused')
      if (message.is_bot) return ignored('a bot')
      if (message.automatic !== '') return ignored(message.automatic)
      const identity = message.is_verified ? await identities.find(channel.name, message.space, message.sender) : null
      if (identity === null) return stranger(deps, parts, say, of, message)
      const known = { identity: identity.id, role: identity.role } as const
      if (message.change !== 'new') {
        const revised = await chats.revise(
          of,
          place,
          message.message,
          message.change === 'deleted' ? null : truncate(message.text, maxTextChars),
          identity,
        )
        return { ...ignored(revised), ...known, became: revised === 'unknown' ? 'ignored' : 'changed' }
      }
      const here = whyNotHere(identity, message)
      if (here !== '') return { ...ignored(here), ...known }
      const isCommand = commands.isCommand(message.text)
      if (message.kind === 'group' && !message.mentions_us && !message.replies_to_us && !isCommand)
        return { ...ignored('not addressed in a group'), ...known }
      const rate = rates.take(identity)
      if (rate === 'silent') return { ...ignored('over the rate'), ...known }
      if (rate === 'over') {
        await say(of, message, `That is more than ${ratePerWindow[identity.role]} messages in ten minutes. I read on when these are over.`)
        return { ...ignored('over the rate'), ...known }
      }
      if (isCommand) {
        if (await chats.note(of, place, { message: message.message, role: identity.role })) await commands.run(of, place, identity, message)
        return { became: 'command', why: message.text.split(/\s/)[0] ?? '', ...known, turn: '' }
      }
      const turn = turnOf(channel.name, message.space, message.chat, message.message)
      const taken = await chats.take(of, place, waitingOf(message, identity, turn))
      if (taken === 'full') {
        await say(of, message, 'Too many messages wait here already, so this one is not taken. /cancelall drops them.')
        return { ...ignored('too many wait'), ...known }
      }
      return { became: 'turn', why: taken, ...known, turn }
    },
  }
}

const ignored = (why: string): Decided => ({ became: 'ignored', why, identity: '', role: '', turn: '' })

const placeOf = ({ channel, space, chat, thread }: ChatPlace) => ({ channel, space, chat, thread })

const waitingOf = ({ message, shown, text, quoted, files, at }: Received, identity: Identity, turn: Waiting['turn']): Waiting => ({
  turn,
  message,
  identity: identity.id,
  shown: truncate(shown.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ''), 80),
  role: identity.role,
  text: truncate(text, maxTextChars),
  quoted: quoted.map((each) => truncate(each, maxTextChars)),
  files,
  at,
})

/** A guest speaks in the groups that were named, and nowhere else. */
function whyNotHere({ role, groups }: Identity, { kind, chat }: Received): string {
  if (role !== 'guest') return ''
  return kind === 'group' && groups.includes(chat) ? '' : 'a guest, who may not speak here'
}

type Say = (of: Of, to: Received, text: string, name?: string) => Promise<void>

/** Nobody hears that there is an agent, unless the person wants that. */
async function stranger(deps: ChannelDeps, { identities }: ReceivingParts, say: Say, of: Of, message: Received): Promise<Decided> {
  const refused = (why: string): Decided => ({ ...ignored(why), became: 'stranger' })
  if (message.change !== 'new' || message.kind !== 'direct') return refused('not linked')
  if (!message.is_verified) return refused('the platform does not vouch for the sender')
  const sender = { channel: message.channel, space: message.space, sender: message.sender, shown: message.shown }
  const claimed = await identities.claim(of, sender, message.text)
  if (claimed === 'wrong') {
    await say(of, message, 'This code is not valid. Ask for a new one: `oxbow channel pair`.')
    return refused('a wrong code')
  }
  if (claimed !== null) {
    await say(of, message, `You are linked as ${claimed.role}. Write me what you want; /help lists what can be said.`)
    return { became: 'linked', why: '', identity: claimed.id, role: claimed.role, turn: '' }
  }
  if (sectionOf(channelsConfig, deps.config).strangers !== 'code') return refused('not linked')
  const code = await identities.offer(of, sender, message.chat)
  await say(of, message, `I do not know you. Tell the owner this code, which is good for ten minutes: ${code}`)
  return refused('was shown a code')
}

/** How many messages an identity has sent in the last ten minutes. */
function createRates({ clock }: Pick<ChannelDeps, 'clock'>) {
  const windows = createRecentMap<string, { readonly at: readonly number[]; readonly told: boolean }>(maxSenders)
  return {
    take({ id, role }: Identity): 'ok' | 'over' | 'silent' {
      const window = windows.get(id) ?? { at: [], told: false }
      const at = window.at.filter((each) => clock.now() - each < rateWindowMs)
      if (at.length < ratePerWindow[role]) {
        windows.put(id, { at: [...at, clock.now()], told: false })
        return 'ok'
      }
      windows.put(id, { at, told: true })
      return window.told ? 'silent' : 'over'
    },
  }
}
