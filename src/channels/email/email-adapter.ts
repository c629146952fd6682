/**
 * E-mail: a mailbox of the agent's own, read by IMAP and answered by SMTP. A thread is a session, and an answer comes when it is whole. Who
 * writes is known by a signature, never by a name: see `email-trust.ts`.
 */
import { resolve as askDns } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRecentMap, isOxbowError, OxbowError } from '../../base/index.ts'
import type {
  AdapterDeps,
  ChannelAdapter,
  ChannelEvents,
  ChannelLimits,
  ChannelSettings,
  ChatRef,
  InboundMessage,
  OpenChannel,
} from '../port.ts'
import { type RawMail, readMail, type ThreadPoint } from './email-inbound.ts'
import { createEmailSending, type EmailSending } from './email-sending.ts'
import { type EmailSettings, emailSettings } from './email-settings.ts'
import type { Resolve } from './email-trust.ts'
import { type Mailbox, openMailbox } from './mailbox.ts'
import { createPostponed, type Postponed } from './postponed.ts'
import { chatKey, createIntake, type Intake, missedFrom } from '../intake.ts'
import { pauseFor, retryMs } from '../retries.ts'

/** As most servers take: 25 MB, a third more than the file in base64. */
const limits: ChannelLimits = {
  dialect: 'mail',
  textLength: 1_000_000,
  chatIntervalMs: 1_000,
  groupPerMinute: Infinity,
  fileBytes: 18_000_000,
  edits: false,
  buttons: false,
  reconciles: true,
}

const maxMailBytes = 25_000_000
const maxThreads = 2_000
/** Less than the mailbox is looked at anyway. */
const claimEachMs: number = 3 * 60_000
/** The process has four seconds to end. */
const leaveMs = 2_000

/**
 * Opens a mailbox. Options: `address`; `imap` and `smtp`, servers as host or host:port; `user`; `name`; `authserv_id`, the server whose
 * `Authentication-Results` are believed; `tls`, `off` for servers of this machine.
 */
export const openEmail: OpenChannel = (settings, deps) => emailBy(askDns)(settings, deps)

/** @param resolve asks for the keys of signatures @param now unix milliseconds */
export const emailBy =
  (resolve: Resolve, now: () => number = Date.now): OpenChannel =>
  async (settings, deps) =>
    createAdapter(settings, { ...deps, resolve, now })

interface EmailDeps extends AdapterDeps {
  readonly resolve: Resolve
  readonly now: () => number
}

function createAdapter(given: ChannelSettings, deps: EmailDeps): ChannelAdapter {
  // Without an id nobody else is told that the mailbox is read.
  const { id = '', since } = given
  const { resolve, now } = deps
  const settings = emailSettings(given)
  const ending = new AbortController()
  const points = createRecentMap<string, ThreadPoint>(maxThreads)
  const open = (): Promise<Mailbox> => openMailbox(settings)
  const pointOf = async (chat: ChatRef): Promise<ThreadPoint | null> =>
    points.get(keyOf(chat)) ?? (await lookUp({ open, settings, resolve }, chat).catch(() => null))
  const sending = createEmailSending({ settings, pointOf, open, now })
  let receiving: Promise<void> = Promise.resolve()
  let isReading = false
  return {
    limits,
    send: sending.send,
    upload: sending.upload,
    find: sending.find,
    edit: async () => ({ ok: false, why: 'refused', message: 'a mail that was sent cannot be changed' }),
    async start(events, _menu, signal) {
      const stop = AbortSignal.any([signal, ending.signal])
      await sending.verify()
      const mayRead = readerOf({ open, id, log: deps.log })
      if (!(await mayRead()))
        throw new OxbowError('workspace_busy', 'Another program reads this mailbox.', {
          hint: 'Stop the other one, or give each a mailbox of its own; a quarter of an hour later: oxbow channel test email.',
        })
      isReading = true
      const box = await open()
      deps.log('a mailbox is connected', { level: 'info', channel: given.name })
      const intake = createIntake(deps.random, stop)
      receiving = receive(
        { ...deps, settings, since, events, stop, open, points, sending, intake, mayRead, postponed: createPostponed(now) },
        box,
      )
      const { address } = settings
      return { id: address, name: address, link: `mailto:${address}?body=/start%20CODE`, console: '' }
    },
    answerButton: async () => {},
    typing: async () => {},
    async close() {
      ending.abort()
      await receiving
      if (id !== '' && isReading) await Promise.race([leave(open, id), sleep(leaveMs, undefined, { ref: false })])
    },
  }
}

/** Never rejects: a note that is left is old after a quarter of an hour. */
async function leave(open: () => Promise<Mailbox>, id: string): Promise<void> {
  try {
    const box = await open()
    await box.leave(id).finally(() => box.close())
  } catch {
    // The server is gone.
  }
}

/** By connections of its own, since another folder is open meanwhile. Never rejects: a server that has no folders for it cannot tell. */
function readerOf({ open, id, log }: Pick<LookingUp, 'open'> & Pick<AdapterDeps, 'log'> & { readonly id: string }): () => Promise<boolean> {
  let [seenAt, isOurs] = [-Infinity, true]
  return async () => {
    if (id === '' || performance.now() - seenAt < claimEachMs) return isOurs
    seenAt = performance.now()
    try {
      const box = await open()
      try {
        isOurs = await box.claim(id)
      } finally {
        box.close()
      }
    } catch {
      log('the mailbox cannot tell whether another program reads it')
    }
    return isOurs
  }
}

const keyOf = ({ chat, thread }: ChatRef): string => `${chat}\n${thread}`

interface LookingUp {
  readonly open: () => Promise<Mailbox>
  readonly settings: EmailSettings
  readonly resolve: Resolve
}

/** A thread of before this process began is in the mailbox. */
async function lookUp({ open, ...deps }: LookingUp, { chat, thread }: ChatRef): Promise<ThreadPoint | null> {
  const box = await open()
  try {
    for (const uid of await box.newestOf(thread, chat)) {
      const raw = await box.read(uid, maxMailBytes)
      const read = raw === null ? null : await readMail(deps, raw)
      if (read?.trust === 'proved') return read.point
    }
    return null
  } finally {
    box.close()
  }
}

interface ReceivingParts extends LookingUp, EmailDeps, Pick<ChannelSettings, 'since'> {
  readonly events: ChannelEvents
  readonly stop: AbortSignal
  readonly points: { put(key: string, point: ThreadPoint): void }
  readonly sending: Pick<EmailSending, 'isLoop'>
  readonly intake: Intake
  readonly postponed: Postponed
  /** Whether no other program reads the mailbox, as was seen a few minutes ago at the latest. */
  readonly mayRead: () => Promise<boolean>
}

/** Reads what comes, connection after connection. Never rejects. */
async function receive(parts: ReceivingParts, first: Mailbox): Promise<void> {
  const { stop, events, random } = parts
  let box: Mailbox | null = first
  for (let failures = 0; !stop.aborted;) {
    try {
      box ??= await parts.open()
      if (failures > 0) events.up()
      failures = 0
      if (!(await readAll(parts, box))) return events.down('another program reads this mailbox', Infinity)
    } catch (error) {
      if (stop.aborted) return
      if (isOxbowError(error, 'unauthenticated')) return events.down(error.message, Infinity)
      failures += 1
      const waitMs = retryMs(failures, random)
      // A connection that ends after hours is nothing to speak of.
      if (failures > 1) events.down(isOxbowError(error) ? error.message : 'the connection to the mailbox was lost', waitMs)
      await pauseFor(waitMs, stop)
    } finally {
      box?.close()
      box = null
    }
  }
}

/** @returns false: another program reads the mailbox */
async function readAll(parts: ReceivingParts, box: Mailbox): Promise<boolean> {
  const { stop } = parts
  const end = (): void => box.close()
  stop.addEventListener('abort', end, { once: true })
  try {
    while (!stop.aborted) {
      if (!(await parts.mayRead())) return false
      const oldest = missedFrom(parts, parts.now())
      for (const uid of await box.waiting(new Date(oldest))) {
        if (parts.postponed.isWaiting(uid)) continue
        const raw = await box.read(uid, maxMailBytes)
        if (stop.aborted) return true
        const became = raw === null || raw.at < oldest ? 'taken' : await take(parts, uid, raw)
        if (became === 'postponed') continue
        await box.taken(uid)
        if (became === 'copy') await box.toSent(uid)
      }
      await box.changed()
    }
    return true
  } finally {
    stop.removeEventListener('abort', end)
  }
}

/** Resolves when the mail is in the journal; the next one is read then, as each is whole in memory. @returns `copy`: it is one of ours */
async function take(parts: ReceivingParts, uid: number, raw: RawMail): Promise<'taken' | 'copy' | 'postponed'> {
  const { events, points, sending, intake, log, postponed } = parts
  // One that cannot be read must not keep those behind it from being read.
  const read = await readMail(parts, raw).catch(() => null)
  if (read === null) {
    log('a mail could not be read')
    return 'taken'
  }
  if (read.isOwn) return 'copy'
  const { message, trust } = read
  if (postponed.isPostponed({ uid, sender: message.sender.id, isUnsure: trust === 'unsure' })) {
    log('the signature of a mail cannot be checked yet: the DNS does not answer')
    return 'postponed'
  }
  if (message.isVerified) points.put(keyOf(message), read.point)
  // The first mail of a thread answers nothing.
  const isLoop = message.thread !== message.message && (await sending.isLoop(message))
  const automatic = message.automatic || (isLoop ? 'ten answers in this thread within an hour' : '')
  const taken: InboundMessage = { ...message, automatic }
  if (await intake.take(chatKey(message), () => events.message(taken))) return 'taken'
  // It is not acknowledged, and comes again.
  throw new Error('the channel ends')
}
