/** Slack's own reading of mrkdwn: docs.slack.dev/messaging/formatting-message-text. */

const entities: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' }
const link = /(<https?:\/\/[^<>|\s]+\|[^<>\n]*>)/

/**
 * @returns the text with its marks `*`, `_`, `~` and backticks, about which Slack's documents do not say when they count
 * @throws Error for what nobody would write on purpose: a mention, a sign that is not escaped, an open block of code
 */
export function readMrkdwn(text: string): string {
  const pieces = text.split('```')
  if (pieces.length % 2 === 0) throw new Error('a block of code is not closed')
  return pieces.map((piece, index) => (index % 2 === 1 ? decoded(piece).replace(/^\n/, '').replace(/\n$/, '') : readInline(piece))).join('')
}

function readInline(text: string): string {
  const lines = text.split('\n').map((line) =>
    (line.startsWith('> ') ? line.slice(2) : line)
      .split(link)
      .map((piece, index) => decoded(index % 2 === 1 ? piece.slice(piece.indexOf('|') + 1, -1) : piece))
      .join(''),
  )
  return lines.join('\n')
}

function decoded(text: string): string {
  if (/[<>]|&(?!(?:amp|lt|gt);)/.test(text)) throw new Error(`a sign is not escaped: ${text.slice(0, 200)}`)
  return text.replaceAll(/&(?:amp|lt|gt);/g, (entity) => entities[entity]!)
}
