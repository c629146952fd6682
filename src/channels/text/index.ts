/**
 * Markdown, parsed once, as the parts of a platform: Telegram's HTML, Slack's mrkdwn, Discord's Markdown, HTML and text for e-mail, or text
 * alone. What a model writes is hostile: a part is always valid, wakes up no crowd and links to web pages only, and takes a time that grows
 * with its length.
 */
import { parseMarkdown } from './parse-markdown.ts'
import { splitText, type Measure, type Write } from './split-text.ts'
import { styledText } from './styled-text.ts'
import { mailHtml } from './write-mail.ts'
import { writeDiscord } from './write-discord.ts'
import { writeSlack } from './write-slack.ts'
import { telegramLength, writeTelegram } from './write-telegram.ts'

export { partMentions } from './write-discord.ts'
export { escapeSlack } from './write-slack.ts'

/** How a platform writes. `mail` is HTML with its text, `plain` text alone. */
export type TextDialect = 'telegram' | 'slack' | 'discord' | 'mail' | 'plain'

/** One message. */
export interface RenderedPart {
  /** In the dialect. */
  readonly text: string
  /** Without any format. */
  readonly plain: string
  /** Of an e-mail. */
  readonly html?: string
}

const written: Measure = (text) => text.length
const parsed: Measure = (_, plain) => plain.length
const asIs: Write = (runs) => runs.map(({ text }) => text).join('')

const dialects: Readonly<Record<TextDialect, readonly [Write, Measure]>> = {
  telegram: [writeTelegram, telegramLength],
  slack: [writeSlack, written],
  discord: [writeDiscord, written],
  mail: [asIs, parsed],
  plain: [asIs, parsed],
}

/**
 * @param limit of a part, as the platform counts: UTF-16 units of what it is sent, of Telegram after parsing. An e-mail has one part
 * @returns at least one part; the texts of all of them are the text of the document
 */
export function renderMarkdown(markdown: string, dialect: TextDialect, limit: number): readonly RenderedPart[] {
  const root = parseMarkdown(markdown)
  const [write, measure] = dialects[dialect]
  const parts = splitText(styledText(root), write, measure, dialect === 'mail' ? Infinity : limit).map(({ written: text, plain }) => ({
    text,
    plain,
  }))
  return dialect === 'mail' ? [{ ...parts[0]!, html: mailHtml(root) }] : parts
}
