/** Telegram's own reading of HTML, with its complaints: core.telegram.org/bots/api#html-style. */

const tags: ReadonlySet<string> = new Set([
  'a',
  'b',
  'blockquote',
  'code',
  'del',
  'em',
  'i',
  'ins',
  'pre',
  's',
  'span',
  'strike',
  'strong',
  'tg-emoji',
  'tg-spoiler',
  'u',
])
const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"' }

/** @returns the text without format @throws Error with Telegram's description */
export function readTelegramHtml(html: string): string {
  const open: string[] = []
  let text = ''
  const bytesAt = (index: number): number => Buffer.byteLength(html.slice(0, index))
  for (let at = 0; at < html.length;) {
    const sign = html[at]!
    if (sign === '&') {
      const [whole, name = '', number = ''] = /^&(?:([a-z]+)|#(x?[0-9a-f]+));/i.exec(html.slice(at, at + 12)) ?? ['']
      const value = number !== '' ? codeOf(number) : entities[name]
      text += value ?? '&'
      at += value === undefined ? 1 : whole.length
    } else if (sign === '<') {
      const end = html.indexOf('>', at)
      const tag = end < 0 ? undefined : /^<(\/?)([a-z][a-z-]*)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*>$/i.exec(html.slice(at, end + 1))
      if (tag === undefined || tag === null) throw parseError(`Unclosed start tag at byte offset ${bytesAt(at)}`)
      const [, slash, given = '', attributes = ''] = tag
      const name = given.toLowerCase()
      if (slash === '/') {
        const last = open.pop()
        if (last !== name)
          throw parseError(`Unmatched end tag at byte offset ${bytesAt(at)}, expected "</${last ?? ''}>", found "</${name}>"`)
      } else {
        if (!tags.has(name) || (name === 'span' && !attributes.includes('tg-spoiler')))
          throw parseError(`Unsupported start tag "${name}" at byte offset ${bytesAt(at)}`)
        open.push(name)
      }
      at = end + 1
    } else {
      text += sign
      at += 1
    }
  }
  if (open.length > 0) throw parseError(`Can't find end tag corresponding to start tag "${open.at(-1)}"`)
  return text
}

const codeOf = (number: string): string =>
  String.fromCodePoint(number.startsWith('x') ? Number.parseInt(number.slice(1), 16) : Number.parseInt(number, 10))

const parseError = (why: string): Error => new Error(`Bad Request: can't parse entities: ${why}`)
