/** A mail, as the port has it. Whatever it says is hostile: its parts, its names, and how deep they nest. */
import PostalMime, { type Address, type Attachment, type Email, type Header } from 'postal-mime'
import { createHash } from 'node:crypto'
import { overLimit } from '../inbound-files.ts'
import type { InboundFile, InboundMessage } from '../port.ts'
import type { EmailSettings } from './email-settings.ts'
import { type Resolve, type Trust, trustIn } from './email-trust.ts'
import { textOfHtml } from './html-text.ts'

/** A mail as its server has it. */
export interface RawMail {
  /** UIDVALIDITY and UID. */
  readonly place: string
  readonly at: number
  /** All of it; of one that is too large, its headers. */
  readonly bytes: Buffer
  /** Bytes of the whole. */
  readonly size: number
}

/** What an answer in a thread needs. */
export interface ThreadPoint {
  readonly subject: string
  /** Of the last message that was read. */
  readonly last: string
  /** Those before it, oldest first. */
  readonly references: readonly string[]
}

/** A mail that was read. */
export interface ReadMail {
  readonly message: InboundMessage
  readonly trust: Trust
  readonly point: ThreadPoint
  /** Sent by us: a copy. */
  readonly isOwn: boolean
}

interface InboundDeps {
  readonly settings: EmailSettings
  readonly resolve: Resolve
}

const maxNesting = 40
const maxHeaderBytes: number = 1024 * 1024
const maxIdChars = 200
const maxTextChars = 100_000
const maxHtmlChars = 1_000_000
const pieceBytes: number = 64 * 1024

/** Ids of mails that we send. */
export const ownId = (intent: string, domain: string): string => `<oxbow.${intent}@${domain}>`
const isOwnId = (id: string, domain: string): boolean => /^<oxbow\.[0-9a-f]{32}@/.test(id) && id.endsWith(`@${domain}>`)

/** @returns null for what names nobody that could be answered */
export async function readMail(deps: InboundDeps, raw: RawMail): Promise<ReadMail | null> {
  const { settings } = deps
  const mail = await parsed(raw.bytes)
  if (mail === null) return null
  const from = mailboxesOf(mail.from === undefined ? [] : [mail.from])
  const [sender] = from
  const address = sender?.address.toLowerCase() ?? ''
  if (from.length !== 1 || !/^[^@\s]{1,64}@[^@\s]{1,250}$/.test(address)) return null
  const domain = address.slice(address.lastIndexOf('@') + 1)
  const [to, cc] = [mail.to, mail.cc].map((list) => mailboxesOf(list ?? []).map((each) => each.address.toLowerCase())) as [
    string[],
    string[],
  ]
  const isToUs = to.includes(settings.address)
  const ids = idsOf(mail.references, mail.inReplyTo)
  const own = idOf(mail.messageId) || raw.place
  const isWhole = raw.bytes.length >= raw.size
  const { text, quoted } = await wordsOf(
    mail,
    isWhole ? '' : `[A mail of ${Math.round(raw.size / 1_000_000)} MB was not read: it is too large.]`,
  )
  const repliesToUs = ids.some((id) => isOwnId(id, settings.domain))
  // A mail that was sent on to us by somebody else names others.
  const addressedBy = isToUs ? 'to' : cc.includes(settings.address) ? 'cc' : null
  const trust =
    addressedBy === null
      ? 'unproved'
      : await trustIn({ ...deps, ...settings }, { raw: raw.bytes, headers: mail.headers, address, domain, addressedBy })
  const message: InboundMessage = {
    space: domain,
    chat: address,
    thread: ids[0] ?? own,
    message: own,
    sender: { id: address, shown: sender!.name === '' ? address : `${sender!.name} (${address})`, isBot: false },
    at: raw.at,
    text,
    kind: to.length + cc.length > 1 ? 'group' : 'direct',
    change: 'new',
    mentionsUs: isToUs,
    repliesToUs,
    quoted,
    files: filesOf(mail.attachments),
    isVerified: trust === 'proved',
    automatic: address === settings.address ? 'own' : automaticOf(mail.headers, address),
  }
  return {
    message,
    trust,
    point: { subject: (mail.subject ?? '').replace(/^(?:\s*(?:re|aw|sv|antw)\s*:)+\s*/i, '').slice(0, 200), last: own, references: ids },
    isOwn: address === settings.address && isOwnId(own, settings.domain),
  }
}

/** @returns null for what is no mail, or one that was built to be expensive */
async function parsed(bytes: Buffer): Promise<Email | null> {
  try {
    return await PostalMime.parse(bytes, {
      maxNestingDepth: maxNesting,
      maxHeadersSize: maxHeaderBytes,
      // A mail within a mail is a file: its words are somebody else's.
      maxRfc822NestingDepth: 0,
      forceRfc822Attachments: true,
    })
  } catch {
    return null
  }
}

function mailboxesOf(addresses: readonly Address[]): readonly { readonly name: string; readonly address: string }[] {
  return addresses.flatMap((each) => (each.group === undefined ? [each] : each.group)).slice(0, 500)
}

/** An id can be anything; ours, and those that we answer with, are plain. */
function idOf(text: string | undefined): string {
  const [id = ''] = /<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>/.exec(text ?? '') ?? []
  return id.length <= maxIdChars ? id : `sha256:${createHash('sha256').update(id).digest('hex')}`
}

/** @returns those that a mail answers, the first of the thread first */
function idsOf(references: string | undefined, inReplyTo: string | undefined): readonly string[] {
  const all = [...(references ?? '').slice(0, 20_000).split(/\s+/), ...(inReplyTo ?? '').slice(0, 1_000).split(/\s+/)]
  return [...new Set(all.map(idOf).filter((id) => id !== ''))]
}

/** Why nobody is to answer; empty: nothing says so. @param headers of the mail */
function automaticOf(headers: readonly Header[], address: string): string {
  const of = (name: string): string | undefined =>
    headers
      .find(({ key }) => key === name)
      ?.value.trim()
      .toLowerCase()
  const submitted = of('auto-submitted')
  if (of('return-path') === '<>' || /^(?:mailer-daemon|postmaster)@/.test(address)) return 'bounce'
  if (of('content-type')?.startsWith('multipart/report') === true) return 'bounce'
  if (['list-id', 'list-post', 'list-unsubscribe'].some((name) => of(name) !== undefined)) return 'list'
  if (/^(?:bulk|junk|list)\b/.test(of('precedence') ?? '')) return 'bulk'
  if (submitted !== undefined && !/^no\b/.test(submitted)) return 'auto_reply'
  if (['x-autoreply', 'x-autorespond'].some((name) => of(name) !== undefined)) return 'auto_reply'
  return /^(?:no-?reply|do-?not-?reply)@/.test(address) ? 'auto_reply' : ''
}

/** What the sender says, and what they pass on. */
async function wordsOf(mail: Email, note: string): Promise<{ readonly text: string; readonly quoted: readonly string[] }> {
  const whole = mail.text ?? (await textOfHtml((mail.html ?? '').slice(0, maxHtmlChars)))
  const { said, quoted } = splitQuoted(whole.slice(0, maxTextChars))
  const { subject = '', inReplyTo } = mail
  const isWord = said === '' || said.startsWith('/') || /^[2-9A-Z]{4}-?[2-9A-Z]{4}$/i.test(said)
  // The subject of what is passed on is of whoever wrote that.
  const isPassedOn = /^\s*(?:fwd?|wg|tr|rv|enc|i|doorst|vs|vb|pd|fs|转发|轉寄)\s*[:：]/iu.test(subject)
  if (isPassedOn)
    return { text: [said, note].filter((part) => part !== '').join('\n'), quoted: [[subject.trim(), quoted].join('\n').trim()] }
  const head =
    subject.trim() === '' || inReplyTo !== undefined ? '' : said === '' ? subject.trim() : isWord ? '' : `Subject: ${subject.trim()}\n`
  return { text: [`${head}${said}`, note].filter((part) => part !== '').join('\n'), quoted: quoted === '' ? [] : [quoted] }
}

/** Mail programs write it in their language: what they have in common are the dashes around words. */
const divider =
  /^(?:-{2,}.{0,80}(?:original|forwarded|weitergeleitete|ursprüngliche).{0,40}-{2,}|-{4,} ?\p{L}.{0,80}? ?-{4,}|_{20,}|begin forwarded message:)\s*$/iu
const attribution = /^.{4,300}(?:wrote|schrieb|écrit|escribió|ha scritto).{0,100}:\s*$/i
/** The first line of a mail that is quoted below its answer, as Outlook shows it. */
const shownHeader = /^\*?(?:from|von|de|da|van|från|fra|od|от|发件人|差出人)\*?[ \u00a0]?[:：]\*?\s.{0,200}@/iu

function splitQuoted(text: string): { readonly said: string; readonly quoted: string } {
  const said: string[] = []
  const quoted: string[] = []
  const lines = text.replaceAll('\r', '').split('\n')
  for (const [at, line] of lines.entries()) {
    const next = lines.slice(at + 1, at + 3).join('\n')
    if (line === '-- ') break
    if (divider.test(line) || shownHeader.test(line)) {
      quoted.push(...lines.slice(at))
      break
    }
    if (line.startsWith('>')) quoted.push(line.replace(/^[> ]+/, ''))
    else if (attribution.test(line) && /^\s*>/m.test(next)) quoted.push(line)
    else said.push(line)
  }
  return { said: said.join('\n').trim(), quoted: quoted.join('\n').trim() }
}

/** Nothing is unpacked: an archive is a file as any other. */
function filesOf(attachments: readonly Attachment[]): readonly InboundFile[] {
  return attachments.map(({ filename, mimeType, content }, index) => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content as ArrayBuffer)
    return {
      name: filename ?? (mimeType === 'message/rfc822' ? `mail-${index + 1}.eml` : `file-${index + 1}`),
      bytes: bytes.length,
      async *open(maxBytes) {
        if (bytes.length > maxBytes) throw overLimit(maxBytes)
        for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
      },
    }
  })
}
