/** Slack's mrkdwn (docs.slack.dev/messaging/formatting-message-text). It has no escape but for `&`, `<` and `>`, which also keeps mentions from waking anybody. */
import type { Run } from './styled-text.ts'
import { apart, type Dialect, type Mark, writeLines } from './write-lines.ts'

/** The three signs that Slack reads. */
export const escapeSlack = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const edge = (sign: string): Mark => ({ open: sign, close: sign, atEdge: true })

const slack: Dialect = {
  marks: ({ bold, italic, strike, code, link }, text) => [
    ...(bold ? [edge('*')] : []),
    ...(italic ? [edge('_')] : []),
    ...(strike ? [edge('~')] : []),
    ...(link === '' ? [] : [{ open: `<${escapeSlack(link).replaceAll('|', '%7C')}|`, close: '>' }]),
    ...(code && link === '' && !text.includes('`') ? [edge('`')] : []),
  ],
  escape(text, { code, link }) {
    const safe = escapeSlack(text)
    if (link !== '' || (code && !text.includes('`'))) return safe
    // A sign that could begin or end a format is parted from what it would format; a quote begins with what is escaped anyhow.
    return safe.replaceAll(/`+|(?<![\p{L}\p{N}])[*_~]+|[*_~]+(?![\p{L}\p{N}])/gu, `${apart}$&${apart}`)
  },
  escapeFence: (code) => escapeSlack(code).replaceAll('``', `\`${apart}\``),
  fence: () => '```',
}

/** @returns mrkdwn for a block of text */
export const writeSlack = (runs: readonly Run[]): string => writeLines(runs, slack)
