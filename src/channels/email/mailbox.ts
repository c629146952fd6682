/**
 * A mailbox, by IMAP. That a mail was taken in is a flag on the server, which outlives this process and a change of UIDVALIDITY; where the server keeps no
 * flags of others, it is that the mail was seen.
 */
import { ImapFlow } from 'imapflow'
import { OxbowError } from '../../base/index.ts'
import type { RawMail } from './email-inbound.ts'
import type { EmailSettings } from './email-settings.ts'
import { claimMailbox, leaveMailbox } from './mailbox-lease.ts'

/** An open connection. Its methods reject with what the library throws. */
export interface Mailbox {
  /** UIDs of mails since then that were not taken in, oldest first. */
  waiting(since: Date): Promise<readonly number[]>
  /** @returns null for one that is gone */
  read(uid: number, maxBytes: number): Promise<RawMail | null>
  taken(uid: number): Promise<void>
  /** A copy of what we have sent goes where such copies are. */
  toSent(uid: number): Promise<void>
  /** Resolves when something may have come; at the latest after some minutes. Rejects when the connection ends. */
  changed(): Promise<void>
  /** Whether a mail with this Message-ID is in the inbox, or where sent ones are. */
  has(id: string): Promise<boolean>
  /** @returns UIDs of the newest mails in a thread that name this sender, the newest first; a few. @param root the Message-ID of its first */
  newestOf(root: string, from: string): Promise<readonly number[]>
  /** When mails of ours in a thread were taken by the server, since then, unix milliseconds. @param root the Message-ID of its first */
  answers(root: string, ours: string, since: Date): Promise<readonly number[]>
  /** Leaves or renews a note that this program reads the mailbox. @returns false: another one does. Nothing else can be done with the connection then */
  claim(id: string): Promise<boolean>
  /** Takes that note away. */
  leave(id: string): Promise<void>
  close(): void
}

const takenFlag = '$OxbowTaken'
const lookMs: number = 4 * 60_000
const connectMs = 20_000
/** Anybody can write mails that name a thread: more of them than so many hide the person's. */
const maxNewest = 10
const silentMs: number = 6 * 60_000

/** @throws OxbowError `unauthenticated`, `bad_config`, `guest_unreachable` */
export async function openMailbox(settings: EmailSettings): Promise<Mailbox> {
  const client = newClient(settings)
  let wake = Promise.withResolvers<void>()
  let isChanged = true
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  client.on('exists', () => {
    isChanged = true
    wake.resolve()
  })
  client.on('error', (error: Error) => ended.reject(error))
  client.on('close', () => ended.reject(new Error('the connection was closed')))
  try {
    await client.connect()
    const inbox = await client.mailboxOpen('INBOX')
    const keeps = inbox.permanentFlags === undefined || inbox.permanentFlags.has('\\*') || inbox.permanentFlags.has(takenFlag)
    return {
      async waiting(since) {
        isChanged = false
        const query = keeps ? { unKeyword: takenFlag } : { seen: false }
        const found = await client.search({ ...query, deleted: false, since }, { uid: true })
        return Array.isArray(found) ? found.toSorted((a, b) => a - b) : []
      },
      async read(uid, maxBytes) {
        const { size = 0, internalDate } = (await client.fetchOne(String(uid), { size: true, internalDate: true }, { uid: true })) || {}
        if (size === 0) return null
        const isSmall = size <= maxBytes
        const got = await client.fetchOne(String(uid), isSmall ? { source: true } : { headers: true }, { uid: true })
        const bytes = got === false ? undefined : isSmall ? got.source : got.headers
        if (bytes === undefined) return null
        return {
          place: `${inbox.uidValidity}.${uid}`,
          at: new Date(internalDate ?? 0).getTime(),
          bytes,
          size: isSmall ? bytes.length : size,
        }
      },
      async taken(uid) {
        await client.messageFlagsAdd(String(uid), keeps ? [takenFlag, '\\Seen'] : ['\\Seen'], { uid: true })
      },
      async toSent(uid) {
        const sent = (await client.list()).find(({ specialUse }) => specialUse === '\\Sent')
        if (sent !== undefined) await client.messageMove(String(uid), sent.path, { uid: true })
      },
      async changed() {
        if (isChanged) return
        wake = Promise.withResolvers<void>()
        const timer = setTimeout(() => wake.resolve(), lookMs)
        // When the connection ends, `ended` says so.
        client.idle().catch(() => {})
        try {
          await Promise.race([wake.promise, ended.promise])
        } finally {
          clearTimeout(timer)
        }
      },
      ...looking(client),
      claim: (id) => claimMailbox(client, id, settings.address),
      leave: (id) => leaveMailbox(client, id),
      close: () => client.close(),
    }
  } catch (error) {
    client.close()
    throw mailboxError(error, settings.imap.host)
  }
}

function newClient({ imap, user, password, plain }: EmailSettings): ImapFlow {
  return new ImapFlow({
    host: imap.host,
    port: imap.port,
    secure: plain ? false : imap.secure,
    ...(plain ? { doSTARTTLS: false } : imap.secure ? {} : { doSTARTTLS: true }),
    auth: { user, pass: password },
    // Its log has what people write.
    logger: false,
    disableAutoIdle: true,
    connectionTimeout: connectMs,
    greetingTimeout: connectMs,
    socketTimeout: silentMs,
  })
}

/** What was received or sent before. */
function looking(client: ImapFlow): Pick<Mailbox, 'has' | 'newestOf' | 'answers'> {
  return {
    async has(id) {
      for (const path of await foldersOf(client)) {
        await client.mailboxOpen(path, { readOnly: true })
        const found = await client.search({ header: { 'message-id': id } }, { uid: true })
        if (Array.isArray(found) && found.length > 0) return true
      }
      return false
    },
    async answers(root, ours, since) {
      const times = new Map<string, number>()
      for (const path of await foldersOf(client)) {
        await client.mailboxOpen(path, { readOnly: true })
        const found = await client.search({ from: ours, since, header: { references: root } }, { uid: true })
        if (!Array.isArray(found) || found.length === 0) continue
        // A copy may be in several folders.
        for await (const { envelope, internalDate } of client.fetch(found, { envelope: true, internalDate: true }, { uid: true })) {
          const at = new Date(internalDate ?? 0).getTime()
          if (at >= since.getTime()) times.set(envelope?.messageId ?? path, at)
        }
      }
      return [...times.values()].toSorted((a, b) => a - b)
    },
    async newestOf(root, from) {
      const header = (name: string): object => ({ header: { [name]: root } })
      const found = await client.search({ from, or: [header('message-id'), header('references')] }, { uid: true })
      return Array.isArray(found) ? found.toSorted((a, b) => b - a).slice(0, maxNewest) : []
    },
  }
}

/** Where a copy of what we have sent can be: servers put it into different ones, and some take it for unwanted. */
async function foldersOf(client: ImapFlow): Promise<readonly string[]> {
  const uses: readonly (string | undefined)[] = ['\\Sent', '\\All', '\\Junk']
  const others = (await client.list()).filter(({ specialUse }) => uses.includes(specialUse)).map(({ path }) => path)
  return ['INBOX', ...others]
}

/** What a person can do about it. */
function mailboxError(error: unknown, host: string): OxbowError {
  const {
    code = '',
    authenticationFailed = false,
    message,
  } = error as Error & { readonly code?: string; readonly authenticationFailed?: boolean }
  if (authenticationFailed)
    return new OxbowError('unauthenticated', `The server ${host} refuses the password.`, {
      hint: 'Many servers want a password of its own for each program: make one there, then: oxbow channel add email --token-stdin.',
    })
  if (/CERT|TLS|SSL/i.test(`${code} ${message}`))
    return new OxbowError('bad_config', `The server ${host} offers no TLS that could be trusted, so the password was not sent.`, {
      hint: 'Check the name and the port of the option imap.',
    })
  return new OxbowError('guest_unreachable', `The server ${host} cannot be reached${code === '' ? '' : `: ${code}`}.`, {
    hint: 'It is tried again. Check the option imap, and the connection of this machine to the internet.',
  })
}
