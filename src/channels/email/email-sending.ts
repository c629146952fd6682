/**
 * Sends mail, by SMTP. Each has a Message-ID that follows from its intent, and a copy goes to ourselves in the same transaction: the copy is there if, and
 * only if, the server has taken the mail.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createTransport, type Transporter } from 'nodemailer'
import { createRecentMap, OxbowError } from '../../base/index.ts'
import type { ChannelAdapter, ChatRef, OutboundPart, Sent } from '../port.ts'
import { ownId, type ThreadPoint } from './email-inbound.ts'
import type { EmailSettings } from './email-settings.ts'
import type { Mailbox } from './mailbox.ts'
import { wasNeverSent } from '../retries.ts'

/** Answers in a thread within an hour: more is a loop of machines. */
const maxAnswers = 10
const hourMs: number = 60 * 60_000
const maxThreads = 5_000
const sendMs = 60_000
const busyMs = 60_000
const findPauseMs = 1_000
const maxReferences = 20

interface SendingParts {
  readonly settings: EmailSettings
  /** What an answer in a thread needs; null: nothing of it is known. */
  readonly pointOf: (chat: ChatRef) => Promise<ThreadPoint | null>
  /** A connection of its own. */
  readonly open: () => Promise<Mailbox>
  readonly now: () => number
}

export interface EmailSending extends Pick<ChannelAdapter, 'send' | 'upload' | 'find'> {
  /** Tries the password. @throws OxbowError */
  verify(): Promise<void>
  /** Whether so many answers went to a thread that it is a loop. What was answered before this process began is in the mailbox. */
  isLoop(chat: ChatRef): Promise<boolean>
}

export function createEmailSending({ settings, pointOf, open, now }: SendingParts): EmailSending {
  const { domain, smtp, user, password, plain } = settings
  const transport = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: plain ? false : smtp.secure,
    ...(plain ? { ignoreTLS: true } : { requireTLS: true }),
    auth: { user, pass: password },
    connectionTimeout: sendMs / 3,
    greetingTimeout: sendMs / 3,
    socketTimeout: sendMs,
    disableFileAccess: true,
    disableUrlAccess: true,
    logger: false,
  })
  const answers = createRecentMap<string, readonly number[]>(maxThreads)
  const keyOf = ({ chat, thread }: ChatRef): string => `${chat}\n${thread}`
  const recent = (chat: ChatRef): readonly number[] => (answers.get(keyOf(chat)) ?? []).filter((at) => now() - at < hourMs)
  const isLoop = async (chat: ChatRef): Promise<boolean> => {
    if (chat.thread === '') return false
    if (answers.get(keyOf(chat)) === undefined) {
      const before = await answersIn({ settings, open, now }, chat.thread)
      if (answers.get(keyOf(chat)) === undefined) answers.put(keyOf(chat), before)
    }
    return recent(chat).length >= maxAnswers
  }
  const mail = mailBy({ settings, pointOf }, transport)
  return {
    isLoop,
    async verify() {
      try {
        await transport.verify()
      } catch (error) {
        throw startError(error, smtp.host)
      }
    },
    async send(chat, part, intent) {
      if (await isLoop(chat)) return { ok: false, why: 'refused', message: `${maxAnswers} answers went to this thread within an hour` }
      const sent = await mail(chat, intent, contentOf(part), firstLine(part.plain), part.replyTo)
      if (sent.ok) answers.put(keyOf(chat), [...recent(chat), now()])
      return sent
    },
    upload: (chat, { name: filename, bytes, type, caption }, intent) =>
      mail(
        chat,
        intent,
        {
          text: caption === '' ? `The file ${filename} is attached.` : caption,
          attachments: [{ filename, content: Buffer.from(bytes), contentType: type }],
        },
        filename,
        undefined,
      ),
    find: (_chat, intent, near, signal) => findCopy({ settings, open, now }, ownId(intent, domain), near, signal),
  }
}

/** Sends one mail, with what makes it an answer in its thread. */
function mailBy({ settings: { address, domain, name }, pointOf }: Pick<SendingParts, 'settings' | 'pointOf'>, transport: Transporter) {
  return async (chat: ChatRef, intent: string, content: object, first: string, answered: string | undefined): Promise<Sent> => {
    const point = chat.thread === '' ? null : await pointOf(chat)
    const messageId = ownId(intent, domain)
    const last = answered ?? point?.last ?? chat.thread
    const chain = [...new Set([...(point?.references ?? []), ...(chat.thread === '' ? [] : [chat.thread]), last])].filter((id) =>
      /^<.+>$/.test(id),
    )
    const references = chain.length > maxReferences ? [chain[0]!, ...chain.slice(1 - maxReferences)] : chain
    try {
      const { rejected = [] } = await transport.sendMail({
        ...content,
        from: { name, address },
        to: chat.chat,
        envelope: { from: address, to: chat.chat === address ? [address] : [chat.chat, address] },
        messageId,
        subject: point === null ? first : `Re: ${point.subject}`,
        ...(references.length > 0 && { inReplyTo: references.at(-1)!, references: [...references] }),
        headers: { 'Auto-Submitted': 'auto-replied', 'X-Auto-Response-Suppress': 'All' },
      })
      if (rejected !== undefined && rejected.length > 0)
        return { ok: false, why: 'gone', message: 'the server does not take mail for this address' }
      return { ok: true, id: messageId }
    } catch (error) {
      return failureOf(error)
    }
  }
}

/** Where the mailbox cannot be read, nothing is known of before: whoever is sent to now is counted all the same. */
async function answersIn({ settings, open, now }: Omit<SendingParts, 'pointOf'>, thread: string): Promise<readonly number[]> {
  try {
    const box = await open()
    try {
      return await box.answers(thread, settings.address, new Date(now() - hourMs))
    } finally {
      box.close()
    }
  } catch {
    return []
  }
}

/** What the server has taken may still be on its way to us. */
async function findCopy(
  { settings, open, now }: Omit<SendingParts, 'pointOf'>,
  id: string,
  near: number,
  signal: AbortSignal,
): Promise<Sent> {
  try {
    for (;;) {
      const box = await open()
      try {
        if (await box.has(id)) return { ok: true, id }
      } finally {
        box.close()
      }
      if (now() > near + settings.settleMs) return { ok: false, why: 'absent', message: 'no copy of it has come' }
      await sleep(Math.min(findPauseMs, settings.settleMs), undefined, { signal })
    }
  } catch (error) {
    if (signal.aborted) throw error
    return { ok: false, why: 'unknown', message: 'the mailbox cannot be read' }
  }
}

/** Nothing is decided by mail: a question says where it can be. */
function contentOf({ text, plain, html, buttons }: OutboundPart): object {
  const note = buttons === undefined ? '' : '\n\nThis cannot be answered by mail. Decide at a terminal: oxbow approvals'
  return { text: `${text || plain}${note}`, ...(html !== undefined && note === '' && { html }) }
}

const firstLine = (plain: string): string => (plain.trim().split('\n', 1)[0] ?? '').slice(0, 80).toWellFormed() || 'Oxbow'

interface SmtpError {
  readonly code?: string
  readonly errno?: string | number
  readonly responseCode?: number
  readonly response?: string
  readonly syscall?: string
  readonly cause?: { readonly code?: string }
}

function failureOf(error: unknown): Exclude<Sent, { ok: true }> {
  const { code = '', responseCode = 0, response = '', syscall = '', cause } = error as SmtpError
  const message = responseCode === 0 ? `no answer${code === '' ? '' : ` (${code})`}` : `the server answers with ${responseCode}`
  if (responseCode === 535 || responseCode === 534 || responseCode === 530) return { ok: false, why: 'revoked', message }
  if (responseCode >= 400 && responseCode < 500) {
    const [, seconds] = /\b(\d{1,5})\s*s(?:ec(?:ond)?s?)?\b/i.exec(response) ?? []
    return { ok: false, why: 'throttled', retryAfterMs: seconds === undefined ? busyMs : Number(seconds) * 1_000 }
  }
  if (responseCode >= 500) return { ok: false, why: responseCode === 550 || responseCode === 551 ? 'gone' : 'refused', message }
  const isUnsent = [code, cause?.code].some((each) => each === 'EDNS' || wasNeverSent(each)) || syscall === 'connect'
  return { ok: false, why: isUnsent ? 'absent' : 'unknown', message }
}

function startError(error: unknown, host: string): OxbowError {
  const { code = '', message = '' } = error as SmtpError & { readonly message?: string }
  if (code === 'ETLS' || /certificate|starttls/i.test(message))
    return new OxbowError('bad_config', `The server ${host} offers no TLS that could be trusted, so the password was not sent.`, {
      hint: 'Check the name and the port of the option smtp.',
    })
  if (failureOf(error).why === 'revoked')
    return new OxbowError('unauthenticated', `The server ${host} refuses the password.`, {
      hint: 'Many servers want a password of its own for each program: make one there, then: oxbow channel add email --token-stdin.',
    })
  return new OxbowError('guest_unreachable', `The server ${host} cannot be reached.`, {
    hint: 'It is tried again. Check the option smtp, and the connection of this machine to the internet.',
  })
}
