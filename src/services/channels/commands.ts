/** What people type with a slash. Only owners may, but for `/help` and `/cancel` of one's own turn. What is typed besides is a message. */
import { derivedId, isDerived, ownValue, truncate } from '../../base/index.ts'
import { sectionOf } from '../../config/index.ts'
import { voiceConfig } from '../voice/service.ts'
import { type AskAsPerson, askAsPerson, type ChannelDeps, type Of } from './channel-deps.ts'
import { type ChatDoc, newDelivery, type Running, waitsToBeHeard } from './channel-records.ts'
import { type Identity, type Received } from './channel-schemas.ts'
import type { ChatPlace, Chats } from './chats.ts'
import type { Outbox } from './outbox.ts'

/** The menu of each platform. */
export const menu: readonly { readonly name: string; readonly summary: string }[] = [
  { name: 'new', summary: 'begin a new session here' },
  { name: 'sessions', summary: 'list the newest sessions' },
  { name: 'switch', summary: 'go on with another session: /switch ID' },
  { name: 'fork', summary: 'go on with a copy of this session' },
  { name: 'cancel', summary: 'stop the running turn' },
  { name: 'cancelall', summary: 'stop it, and drop what waits here' },
  { name: 'status', summary: 'what runs and what waits' },
  { name: 'cost', summary: 'what the last days have cost' },
  { name: 'model', summary: 'choose the model for this chat: /model NAME' },
  { name: 'undo', summary: 'take back what the last turn changed' },
  { name: 'quiet', summary: 'no notices here: /quiet on, /quiet off' },
  { name: 'voice', summary: 'spoken answers: /voice on, /voice off, /voice auto' },
  { name: 'help', summary: 'what can be said' },
]

export interface Commands {
  isCommand: typeof isCommand
  /** Answers by a delivery whose id follows from the message. */
  run(of: Of, place: ChatPlace, identity: Identity, message: Pick<Received, 'message' | 'text'>): Promise<void>
}

const form = /^\/([a-z]{1,20})(@\w{1,40})?(?:\s+([\s\S]*))?$/i
const shownSessions = 10
const maxReplyChars = 3_000
const names: ReadonlySet<string> = new Set([...menu.map(({ name }) => name), 'start'])

/** Whether a message is a command of ours; one for another bot of a group, by its words or its `@name`, is not. */
export function isCommand({ text, mentions_us: isOurs }: Pick<Received, 'text' | 'mentions_us'>): boolean {
  const [, word = '', bot = ''] = form.exec(text.trim()) ?? []
  return names.has(word.toLowerCase()) && (bot === '' || isOurs)
}

interface Asked {
  readonly of: Of
  readonly place: ChatPlace
  readonly identity: Identity
  readonly chat: ChatDoc
  /** What follows the command. */
  readonly rest: string
}

/** Others read what is said in a group: these tell of the person's other sessions and money. */
const directOnly: ReadonlySet<string> = new Set(['sessions', 'switch', 'fork', 'cost', 'undo'])

type Command = (asked: Asked) => Promise<string>

export function createCommands(deps: ChannelDeps, parts: { readonly chats: Chats; readonly outbox: Outbox }): Commands {
  const { chats, outbox } = parts
  const all = commandsOf(deps, chats, askAsPerson(deps))
  return {
    isCommand,
    async run(of, place, identity, { message, text }) {
      const [, word = '', , rest = ''] = form.exec(text.trim()) ?? []
      const name = word.toLowerCase() === 'start' ? 'help' : word.toLowerCase()
      const chat = await chats.get(place)
      const mayRun = identity.role === 'owner' || name === 'help' || (name === 'cancel' && chat?.running?.identity === identity.id)
      const asked = { of, place, identity, rest: rest.trim() }
      const reply = async (): Promise<string> => {
        if (!mayRun) return 'Only an owner may do that.'
        if (place.kind === 'group' && directOnly.has(name)) return 'Others read this chat. Do that in the direct chat.'
        return chat === null ? '' : ((await ownValue(all, name)?.({ ...asked, chat })) ?? '')
      }
      const id = derivedId('command', place.channel, place.space, place.chat, message)
      const { kind: _, ...where } = place
      await outbox.make(
        of,
        newDelivery(id, { ...where, kind: 'notice', text: truncate(await reply(), maxReplyChars), made_at: deps.clock.now() }),
      )
    },
  }
}

function commandsOf(deps: ChannelDeps, chats: Chats, ask: AskAsPerson): Readonly<Record<string, Command>> {
  return { ...sessionCommands(chats, ask), ...turnCommands(chats, ask), ...chatCommands(deps, chats) }
}

function sessionCommands(chats: Chats, ask: AskAsPerson): Readonly<Record<string, Command>> {
  return {
    help: async ({ identity }) =>
      [
        'Write what you want. What you can say besides:',
        ...menu
          .filter(({ name }) => identity.role === 'owner' || name === 'help' || name === 'cancel')
          .map(({ name, summary }) => `/${name} – ${summary}`),
      ].join('\n'),
    async new({ of, place, identity }) {
      await chats.renew(of, place, identity.role)
      return 'A new session begins with your next message.'
    },
    async sessions(asked) {
      const found = await ask('session.list', { limit: shownSessions })
      if (found.status !== 'ok') return found.failure.message
      const lines = found.output.map(
        ({ id, title, turns }) => `${id === asked.chat.session ? '→' : '•'} \`${id.slice(-8)}\` ${title || 'untitled'} (${turns})`,
      )
      return lines.length === 0 ? 'There is no session yet.' : [...lines, 'Go on with one: /switch ID'].join('\n')
    },
    switch: (asked) => switchTo(chats, ask, asked),
    async fork(asked) {
      const made = await ask('session.fork', { session: asked.chat.session })
      if (made.status !== 'ok') return made.failure.code === 'not_found' ? 'There is nothing to copy yet.' : made.failure.message
      const { session } = made.output
      await chats.change(asked.of, asked.place, (now) => ({ ...now, session }))
      return 'This chat goes on with a copy. The session before stays as it is: /sessions.'
    },
  }
}

function turnCommands(chats: Chats, ask: AskAsPerson): Readonly<Record<string, Command>> {
  return {
    async cancel(asked) {
      if (await stopHearing(chats, asked)) return 'Stopped.'
      const { running, session } = asked.chat
      const ended = await ask('turn.cancel', { session: running?.session ?? session })
      if (ended.status !== 'ok') return ended.failure.message
      return ended.output.cancelled ? 'Stopped.' : 'Nothing runs here.'
    },
    async cancelall(asked) {
      const dropped = await chats.clear(asked.of, asked.place)
      if (await stopHearing(chats, asked)) return `Stopped; ${dropped} waiting messages were dropped.`
      const { running, session } = asked.chat
      const ended = await ask('turn.cancel', { session: running?.session ?? session, waiting: true })
      const stopped = ended.status === 'ok' && ended.output.cancelled
      return `${stopped ? 'Stopped' : 'Nothing ran'}; ${dropped} waiting messages were dropped.`
    },
    async status(asked) {
      const now = await ask('system.now', {})
      if (now.status !== 'ok') return now.failure.message
      const { turns, approvals } = now.output
      const { running, queue, session, model } = asked.chat
      return [
        `Session \`${session.slice(-8)}\`${model === '' ? '' : `, model ${model}`}${asked.chat.quiet ? ', quiet' : ''}.`,
        running === null ? 'Nothing runs here.' : `A turn runs here; ${queue.length} wait.`,
        ...(asked.place.kind === 'group' ? [] : [`In all: ${turns.length} running, ${approvals.length} waiting for approval.`]),
      ].join('\n')
    },
    async cost() {
      const costs = await ask('costs.show', { by: 'day', limit: 7 })
      return costs.status === 'ok' ? costs.text || 'Nothing was spent.' : costs.failure.message
    },
    async undo(asked) {
      const done = await ask('version.undo', { apply: true, conflicts: 'stop' }, asked.chat.session)
      return done.status === 'ok' ? done.text : done.failure.message
    },
  }
}

/** A message whose audio is being heard has no turn yet, and gets none. */
async function stopHearing(chats: Chats, { of, place, chat: { running } }: Asked): Promise<boolean> {
  if (running === null || !waitsToBeHeard(running)) return false
  const isIt = (now: ChatDoc['running']): now is Running => now?.turn === running.turn && waitsToBeHeard(now)
  await chats.change(of, place, (now) => (isIt(now.running) ? { ...now, running: { ...now.running, heard_audio: 'stopped' } } : now))
  return true
}

function chatCommands(deps: ChannelDeps, chats: Chats): Readonly<Record<string, Command>> {
  return {
    async model({ of, place, chat, rest }) {
      if (rest === '')
        return chat.model === '' ? 'The usual model answers. Choose one: /model NAME' : `${chat.model} answers. The usual one: /model usual`
      const model = rest === 'usual' ? '' : rest.slice(0, 200)
      if (model !== '') {
        const problem = await deps.engine.facts(model).then(
          () => '',
          (error: unknown) => (error as Error).message,
        )
        if (problem !== '') return problem
      }
      await chats.change(of, place, (now) => ({ ...now, model }))
      return model === '' ? 'The usual model answers from now on.' : `${model} answers from now on.`
    },
    async quiet({ of, place, rest, chat }) {
      if (!['', 'on', 'off'].includes(rest)) return 'Say /quiet on or /quiet off.'
      const quiet = rest === 'off' ? false : rest === 'on' ? true : !chat.quiet
      await chats.change(of, place, (now) => ({ ...now, quiet }))
      return quiet ? 'Quiet: only answers come here. /quiet off ends that.' : 'Notices come here again.'
    },
    async voice({ of, place, rest, chat }) {
      const modes = {
        on: 'Answers are spoken, too.',
        off: 'Answers are not spoken.',
        auto: 'Answers are spoken when you have spoken.',
      } as const
      if (rest !== '' && ownValue(modes, rest) === undefined) return 'Say /voice on, /voice off or /voice auto.'
      const mode = rest === '' ? (chat.voice ?? 'auto') : (rest as keyof typeof modes)
      if (mode !== chat.voice) await chats.change(of, place, (now) => ({ ...now, voice: mode }))
      const isSilent = mode !== 'off' && sectionOf(voiceConfig, deps.config).speak === ''
      return isSilent ? `${modes[mode]} But nothing speaks yet: set voice.speak in config.toml (docs/channels/voice.md).` : modes[mode]
    },
  }
}

async function switchTo(chats: Chats, ask: AskAsPerson, asked: Asked): Promise<string> {
  const wanted = asked.rest.replace(/`/g, '')
  if (wanted.length < 4) return 'Name a session as /sessions lists it: /switch ID'
  const found = await ask('session.list', { limit: 1_000 })
  if (found.status !== 'ok') return found.failure.message
  const fits = found.output.filter(({ id }) => id.startsWith(wanted) || id.endsWith(wanted))
  const [one] = fits
  if (one === undefined) return 'There is no such session: /sessions lists them.'
  if (fits.length > 1) return `${fits.length} sessions have this id; write more of it.`
  // Agents, schedules and other chats have rights of their own in their sessions, which this chat would replace by the owner's.
  const { session, past } = asked.chat
  if (isDerived(one.id) && ![session, ...past].includes(one.id)) return 'That session belongs to another chat or to an agent. Go on there.'
  await chats.change(asked.of, asked.place, (now) => ({ ...now, session: one.id }))
  return `This chat goes on with: ${one.title || 'untitled'}`
}
