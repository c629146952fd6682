/** Slack's own reading of mrkdwn: docs.slack.dev/messaging/formatting-message-text. */

const entities: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' }
const decoded = (text: string): string => text.replaceAll(/&(?:amp|lt|gt);/g, (entity) => entities[entity]!)
const apart = '\u200b'

/** @returns the text as people see it @throws Error for what nobody would write on purpose: a mention, a bare sign, an open block of code */
export function readMrkdwn(text: string): string {
  const pieces = text.split('```')
  if (pieces.length % 2 === 0) throw new Error('a block of code is not closed')
  return pieces.map((piece, index) => (index % 2 === 1 ? checked(piece).replace(/^\n/, '').replace(/\n$/, '') : readInline(piece))).join('')
}

function checked(text: string): string {
  if (/[<>]|&(?!(?:amp|lt|gt);)/.test(text)) throw new Error(`a sign is not escaped: ${text.slice(0, 200)}`)
  return decoded(text)
}

function readInline(text: string): string {
  const lines = text.split('\n').map((line) => {
    const body = line.startsWith('> ') ? line.slice(2) : line
    return body
      .split(/(<https?:\/\/[^<>|\s]+\|[^<>\n]*>)/)
      .map((piece, index) => (index % 2 === 1 ? checked(piece.slice(piece.indexOf('|') + 1, -1)) : checked(withoutMarks(piece))))
      .join(apart)
  })
  return lines.join('\n')
}

/** Marks stand in pairs around a text without space at its edges, at the edges of words. */
function withoutMarks(text: string): string {
  return text
    .split(/((?<![\p{L}\p{N}])`[^`\n\u200b][^`\n]*`(?![\p{L}\p{N}]))/u)
    .map((piece, index) => (index % 2 === 1 ? piece.slice(1, -1) : withoutStyles(piece)))
    .join('')
}

function withoutStyles(text: string): string {
  return text.replaceAll(/(?<![\p{L}\p{N}])([*_~]+)(?!\u200b|\s)|(?<=\S)([*_~]+)(?![\p{L}\p{N}\u200b*_~])/gu, '')
}
