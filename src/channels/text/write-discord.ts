/** Discord's Markdown (support.discord.com, "Markdown Text 101"). A backslash escapes; mentions of all are parted, for the eyes as well. */
import type { Run } from './styled-text.ts'
import { apart, type Dialect, type Mark, writeLines } from './write-lines.ts'

const around = (sign: string): Mark => ({ open: sign, close: sign })

/** Signs around code; null: it cannot be shown as code. */
function codeMark(text: string): Mark | null {
  if (!text.includes('`')) return around('`')
  return text.includes('``') || text.startsWith('`') || text.endsWith('`') ? null : around('``')
}

const discord: Dialect = {
  marks({ bold, italic, strike, code, link }, text) {
    const mark = code ? codeMark(text) : null
    return [
      ...(link === '' ? [] : [{ open: '[', close: `](${link.replaceAll('(', '%28').replaceAll(')', '%29')})` }]),
      ...(bold ? [around('**')] : []),
      ...(italic ? [{ ...around('_'), atEdge: true }] : []),
      ...(strike ? [around('~~')] : []),
      ...(mark === null ? [] : [mark]),
    ]
  },
  escape(text, { code, link }, isLineStart) {
    if (code && codeMark(text) !== null) return partMentions(text)
    const pieces = link === '' ? text.split(/(https?:\/\/[^\s<>"`|\\]+)/) : [text]
    // An address that is only text is one for Discord, and stays as it is.
    const safe = pieces.map((piece, index) => (index % 2 === 1 ? piece : escapeText(piece))).join('')
    return partMentions(isLineStart ? safe.replace(/^(\s*)(>|#|-|\+|\d+(?=\.))/, startEscaped) : safe)
  },
  escapeFence: (code) => partMentions(code.replaceAll('``', `\`${apart}\``)),
  fence: (language) => `\`\`\`${language}`,
}

const escapeText = (text: string): string => text.replaceAll(/[\\*_~`|<[\]]/g, '\\$&')

function startEscaped(_: string, space: string, sign: string): string {
  return /^\d/.test(sign) ? `${space}${sign}\\` : `${space}\\${sign}`
}

/** Without mentions of everybody: no permission of the bot is to matter. */
export const partMentions = (text: string): string => text.replaceAll(/@(?=everyone|here)/gi, `@${apart}`)

/** @returns Markdown as Discord reads it */
export const writeDiscord = (runs: readonly Run[]): string => writeLines(runs, discord)
