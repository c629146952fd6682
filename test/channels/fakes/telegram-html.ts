/**
 * Telegram's own reading of HTML, with its complaints: core.telegram.org/bots/api#html-style. It is stricter than the platform, which takes a
 * bare `&` and drops formats that cannot be within each other: nothing here is to depend on that.
 */

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
      if (value === undefined) throw parseError(`"&" is not escaped at byte offset ${bytesAt(at)}`)
      text += value
      at += whole.length
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
        checkNesting(open, name, attributes)
        open.push(name)
      }
      at = end + 1
    } else {
      if (sign === '>') throw parseError(`">" is not escaped at byte offset ${bytesAt(at)}`)
      text += sign
      at += 1
    }
  }
  if (open.length > 0) throw parseError(`Can't find end tag corresponding to start tag "${open.at(-1)}"`)
  return text
}

/** @throws Error where one may not be within the other */
function checkNesting(open: readonly string[], name: string, attributes: string): void {
  const outer = open.at(-1)
  const isLanguage = name === 'code' && outer === 'pre' && /^ class="language-[^"\s]+"$/.test(attributes)
  if (name === 'a' ? !/^ href="[^"]+"$/.test(attributes) : attributes !== '' && !isLanguage && name !== 'span' && name !== 'tg-emoji')
    throw parseError(`attributes of "${name}" are not documented: ${attributes}`)
  if (isLanguage) return
  const isCode = (each: string): boolean => each === 'pre' || each === 'code'
  const holdsAny = (each: string): boolean => each === 'blockquote' || styles.has(each)
  if (open.some(isCode) || (isCode(name) && open.some((each) => each !== 'blockquote')))
    throw parseError(`"${name}" cannot be within "${outer}"`)
  if (name === 'blockquote' && open.length > 0) throw parseError('a quote cannot be within another entity')
  if (!styles.has(name) && open.some((each) => !holdsAny(each))) throw parseError(`"${name}" cannot be within "${outer}"`)
}

const styles: ReadonlySet<string> = new Set(['b', 'strong', 'i', 'em', 'u', 'ins', 's', 'strike', 'del', 'span', 'tg-spoiler'])

const codeOf = (number: string): string =>
  String.fromCodePoint(number.startsWith('x') ? Number.parseInt(number.slice(1), 16) : Number.parseInt(number, 10))

const parseError = (why: string): Error => new Error(`Bad Request: can't parse entities: ${why}`)
