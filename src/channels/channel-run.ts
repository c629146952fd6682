/** One channel: its connection, what comes in, and what goes out. */
import { type Clock, createRecentMap, isOxbowError, type JsonObject, type OxbowError, type Random } from '../base/index.ts'
import { createDeliveries } from './deliveries.ts'
import type { Delivery, Guest } from './gateway.ts'
import { maxSenders } from './limits.ts'
import type { ButtonPress, ChannelAdapter, ChannelEvents, ChannelSettings, InboundMessage, MenuCommand, OpenChannel } from './port.ts'
import { storeFiles } from './stored-files.ts'
import { pauseFor, retryMs } from './retries.ts'

/** What all channels of the process have. */
export interface HostDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: (message: string, fields?: JsonObject) => void
}

export interface ChannelRun {
  /** All that is to be delivered now; what is under way goes on. */
  deliver(deliveries: readonly Delivery[]): void
  close(): Promise<void>
}

export interface RunDeps extends HostDeps {
  readonly guest: Guest
  readonly menu: readonly MenuCommand[]
  readonly open: () => Promise<OpenChannel>
}

/** Only a person can mend these. */
const final: ReadonlySet<string> = new Set<OxbowError['code']>(['unauthenticated', 'bad_config', 'bad_input', 'workspace_busy'])

/** @param outer ends it */
export function createChannelRun(deps: RunDeps, settings: ChannelSettings, outer: AbortSignal): ChannelRun {
  const { guest, log } = deps
  const ending = new AbortController()
  const signal = AbortSignal.any([outer, ending.signal])
  const ready = Promise.withResolvers<ChannelAdapter>()
  ready.promise.catch(() => {})
  const deliveries = createDeliveries({ ...deps, channel: settings.name, adapter: ready.promise, signal })
  let said = ''
  /** Each state once: a platform that fails for hours fills no journal. */
  const say = (state: 'up' | 'down' | 'failed', why: string): void => {
    if (said === state) return
    said = state
    void guest
      .say({ channel: settings.name, state, why })
      .catch((error: unknown) => log('the state of a channel was not told', { why: String(error) }))
  }
  const connectAgain = async (): Promise<ChannelAdapter | null> => {
    for (let tries = 0; !signal.aborted; tries += 1) {
      let adapter: ChannelAdapter | null = null
      try {
        adapter = await (
          await deps.open()
        )(settings, {
          ...deps,
          places: () => guest.places(settings.name),
          post: (content) => guest.post({ channel: settings.name, ...content }),
        })
        const opened = adapter
        const self = await opened.start(
          eventsOf(deps, settings, () => opened, say),
          deps.menu,
          signal,
        )
        said = 'up'
        await guest.say({ channel: settings.name, state: 'up', why: '', self })
        return opened
      } catch (error) {
        await adapter?.close()
        if (signal.aborted) return null
        const failure = isOxbowError(error) ? error : null
        const why = failure === null ? 'it failed: see `oxbow logs`' : `${failure.message} ${failure.hint}`
        if (failure === null) log('a channel has failed', { channel: settings.name, why: String(error) })
        if (failure !== null && final.has(failure.code)) {
          say('failed', why)
          return null
        }
        say('down', why)
        await pauseFor(retryMs(tries + 1, deps.random), signal)
      }
    }
    return null
  }
  const adapter = connectAgain()
  void adapter.then((opened) => opened !== null && ready.resolve(opened))
  return {
    deliver: deliveries.take,
    async close() {
      ending.abort()
      await deliveries.close()
      await (await adapter)?.close()
    },
  }
}

function eventsOf(
  deps: RunDeps,
  { name }: ChannelSettings,
  adapter: () => ChannelAdapter,
  say: (state: 'up' | 'down' | 'failed', why: string) => void,
): ChannelEvents {
  const { guest, clock } = deps
  /** Until when nothing more of a sender is passed on: the guest counts, and a flood must not fill its journal. */
  let silent = createRecentMap<string, number>(maxSenders)
  let linkedAt = guest.linkedAt()
  return {
    async message(message) {
      const sender = `${message.space}\n${message.sender.id}`
      // Whoever was a stranger may have been linked.
      if (linkedAt !== guest.linkedAt()) silent = createRecentMap(maxSenders)
      linkedAt = guest.linkedAt()
      // What was taken before is changed, or withdrawn, at a rate of its own.
      const key = message.change === 'new' ? sender : `${sender}\nedits`
      if ((silent.get(key) ?? 0) > clock.now()) return
      const decided = await guest.receive(await receivedOf(deps, name, message), message.revision)
      if (decided !== null && decided.silent_until > 0) silent.put(key, decided.silent_until)
    },
    async press(press: ButtonPress) {
      const { space, chat, thread, message, sender, data } = press
      const text = await guest.press(
        { channel: name, space, chat, thread, message, sender: sender.id, data: data.slice(0, 64) },
        press.press,
      )
      await adapter().answerButton(press.press, text)
    },
    moved: (from, to) =>
      guest.moved({ channel: name, from: { space: from.space, chat: from.chat }, to: { space: to.space, chat: to.chat } }),
    down: (why, againMs) => say(againMs === Infinity ? 'failed' : 'down', why),
    up: () => say('up', ''),
  }
}

async function receivedOf({ guest, log }: RunDeps, channel: string, message: InboundMessage): Promise<Parameters<Guest['receive']>[0]> {
  const { space, chat, thread, kind, at, change, quoted } = message
  const wants = change === 'new' && message.files.length > 0 && (await guest.wantsFiles(announcedOf(channel, message)))
  const { files, notes } = wants ? await storeFiles(guest, message.files) : { files: [], notes: [] }
  for (const note of notes) log('a file was not taken in', { channel, why: note })
  const said = [message.text.slice(0, maxChars), ...notes.map((note) => `[${note}]`)].filter((text) => text !== '')
  return {
    channel,
    space,
    chat,
    thread,
    kind,
    message: message.message,
    sender: message.sender.id,
    shown: message.sender.shown.slice(0, 300),
    is_bot: message.sender.isBot,
    is_verified: message.isVerified,
    at,
    text: said.join('\n'),
    change,
    mentions_us: message.mentionsUs,
    replies_to_us: message.repliesToUs,
    quoted: quoted.slice(0, 20).map((text) => text.slice(0, maxChars)),
    files: [...files],
    automatic: message.automatic ?? '',
  }
}

/** Whoever is refused has nothing stored here: the guest is asked before a file is read. */
function announcedOf(channel: string, message: InboundMessage): Parameters<Guest['wantsFiles']>[0] {
  const { space, chat, thread, kind, sender, isVerified, at, text, mentionsUs, repliesToUs } = message
  const isForUs = mentionsUs || repliesToUs || text.startsWith('/')
  const where = { channel, space, chat, thread, kind, at }
  return { ...where, sender: sender.id, is_verified: isVerified, automatic: message.automatic ?? '', is_for_us: isForUs }
}

/** Characters of a text that the guest is given. */
const maxChars = 90_000
