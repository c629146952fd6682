/**
 * Finds values in the output of tools that look like secrets and are not known: private keys, tokens in the shapes of well-known
 * services, values behind a label such as `password=`, passwords in URLs, and random-looking tokens. Identifiers, hashes, paths, code and
 * encoded data are not secrets; in doubt, a value without a label is not one. Every pattern is linear in the text, which is hostile.
 */
import { maxUnknownInText, minSecretCharacters } from './limits.ts'

export interface UnknownSecret {
  readonly start: number
  readonly end: number
  /** What it seems to be, in a word: part of the name of its handle. */
  readonly kind: string
}

/** @returns what looks like a secret, in order and without overlaps */
export function findUnknown(text: string): readonly UnknownSecret[] {
  if (text.length < minSecretCharacters) return []
  const found: UnknownSecret[] = []
  const isTaken = (start: number, end: number): boolean => found.some((each) => start < each.end && each.start < end)
  const blocks = armoured(text)
  found.push(...blocks.filter(({ kind }) => kind !== ''))
  for (const finder of [shaped, inUrls, labelled, random]) {
    for (const each of finder(text)) {
      if (found.length >= maxUnknownInText) break
      if (each.end - each.start < minSecretCharacters || isTaken(each.start, each.end)) continue
      if (blocks.some(({ start, end }) => start < each.end && each.start < end)) continue
      found.push(each)
    }
  }
  return found.toSorted((a, b) => a.start - b.start)
}

/** Longest private key with its armour; an RSA key of 16 384 bits has 12 600 characters. */
const maxBlock = 16_384

/** @returns PEM blocks; those that are no private keys have no kind, and nothing in them is a secret */
function armoured(text: string): readonly UnknownSecret[] {
  const found: UnknownSecret[] = []
  let tries = 0
  for (let at = text.indexOf('-----BEGIN '); at >= 0 && tries < maxUnknownInText; at = text.indexOf('-----BEGIN ', at + 1)) {
    tries += 1
    const nameEnd = text.slice(at + 11, at + 75).indexOf('-----')
    if (nameEnd < 0) continue
    const name = text.slice(at + 11, at + 11 + nameEnd)
    const line = `-----END ${name}-----`
    const last = text.slice(at, at + maxBlock).indexOf(line)
    if (last < 0) continue
    const end = at + last + line.length
    const isKey = name.includes('PRIVATE KEY') && /^[\w+/=\s\\":,.-]*$/.test(text.slice(at, end))
    found.push({ start: at, end, kind: isKey ? 'private_key' : '' })
    at = end - 1
  }
  return found
}

/** Tokens that their service made recognizable. Sources: the pages of the services on their formats. */
const shapes: readonly (readonly [kind: string, pattern: string])[] = [
  ['aws_key', '(?:AKIA|ASIA)[A-Z2-7]{16}'],
  ['github_token', 'gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}'],
  ['gitlab_token', 'glpat-[A-Za-z0-9_-]{20,64}'],
  ['anthropic_key', 'sk-ant-[A-Za-z0-9_-]{24,200}'],
  ['openai_key', 'sk-(?:proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_-]{24,200}'],
  ['slack_token', 'xox[abeprs](?:\\.xox[bp])?-[A-Za-z0-9-]{10,250}|xapp-[0-9]-[A-Za-z0-9-]{20,200}'],
  ['google_key', 'AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}'],
  ['stripe_key', '(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,250}|whsec_[A-Za-z0-9+/]{24,100}'],
  ['npm_token', 'npm_[A-Za-z0-9]{36}'],
  ['pypi_token', 'pypi-[A-Za-z0-9_-]{50,300}'],
  ['huggingface_token', 'hf_[A-Za-z0-9]{30,40}'],
  ['sendgrid_key', 'SG\\.[A-Za-z0-9_-]{22}\\.[A-Za-z0-9_-]{43}'],
  ['telegram_token', '[0-9]{8,10}:AA[A-Za-z0-9_-]{33}'],
  ['jwt', 'eyJ[A-Za-z0-9_-]{10,2000}\\.eyJ[A-Za-z0-9_-]{10,4000}\\.[A-Za-z0-9_-]{16,2000}'],
]
const shapePattern = new RegExp(
  `(?:(?<![A-Za-z0-9_-])|(?<=\\\\[nrt]))(?:${shapes.map(([, pattern]) => `(${pattern})`).join('|')})(?![A-Za-z0-9_-])`,
  'g',
)

function* shaped(text: string): Generator<UnknownSecret> {
  for (const match of text.matchAll(shapePattern)) {
    const [whole, ...groups] = match
    const kind = shapes[groups.findIndex((group) => group !== undefined)]?.[0] ?? 'token'
    // All digits, or a single letter over and over, as in examples.
    if (new Set(whole.slice(-16)).size > 5 && !(kind === 'openai_key' && isWords(whole)))
      yield { start: match.index, end: match.index + whole.length, kind }
  }
}

/** `https://user:password@host`; also the path of a webhook of Slack, which is all that protects it. */
const urlPattern = /:\/\/([^\s:@/"'`<>]{0,100}:)([^\s:@/"'`<>]{8,200})@[A-Za-z0-9[]/g
const webhookPattern = /hooks\.slack\.com\/services\/(T[A-Z0-9]{8,12}\/B[A-Z0-9]{8,12}\/[A-Za-z0-9]{20,30})/g

function* inUrls(text: string): Generator<UnknownSecret> {
  if (!text.includes('://')) return
  for (const { 1: user = '', 2: value = '', index } of text.matchAll(urlPattern)) {
    const start = index + '://'.length + user.length
    if (!isPlaceholder(value) && classes(value) >= 2) yield { start, end: start + value.length, kind: 'url_password' }
  }
  for (const { 0: whole, 1: path = '', index } of text.matchAll(webhookPattern))
    yield { start: index + whole.length - path.length, end: index + whole.length, kind: 'webhook' }
}

const strongLabel =
  'pass(?:word|wd|phrase)|pwd|secret(?:[_-]?(?:access[_-]?)?key)?|(?:api|access|private|signing|encryption|account|master)[_-]?key|(?:auth|access|refresh|api|bot|bearer|id)[_-]?token|credentials?'
/** The words of a label, the rest of a name in capitals, and the sign between name and value, in JSON, YAML, TOML, code and headers. */
const labelPattern = new RegExp(
  `(?:(${strongLabel})|(token))(_[A-Z0-9_]{1,40})?(?:\\\\{0,3}["'\`\\]]){0,2}[ \\t]{0,3}(?:=>|:=|=(?!=)|:(?!:))[ \\t]{0,3}(?:\\\\{0,3}(["'\`])|)`,
  'gi',
)
const bearerPattern = /(?:Bearer|Basic|token)[ \t]+(?=[A-Za-z0-9._~+/=-]{16})/g
const minBearer = 16
/** Names that only describe a secret: `TOKEN_TTL`, `PASSWORD_FILE`. */
const describing = /_(?:FILE|PATH|DIR|URL|URI|TYPE|NAME|ID|ENV|VAR|TTL|EXPIR\w*|LENGTH|LEN|SIZE|LIMIT|HEADER|ALGORITHM|ENDPOINT|COUNT)$/i

function* labelled(text: string): Generator<UnknownSecret> {
  for (const match of text.matchAll(labelPattern)) {
    const [whole, strong, , suffix = '', quote = ''] = match
    if (suffix !== '' && (suffix !== suffix.toUpperCase() || describing.test(suffix))) continue
    const start = match.index + whole.length
    const value = quote === '' ? bareValue(text, start, isAlone(text, match.index)) : quotedValue(text, start, quote)
    if (value === null || (quote === '' && isExpression(text, start, value))) continue
    if (isPlausible(value, strong !== undefined, quote !== ''))
      yield { start, end: start + value.length, kind: (strong ?? 'token').toLowerCase().replaceAll('-', '_') }
  }
  for (const { 0: whole, index } of text.matchAll(bearerPattern)) {
    const start = index + whole.length
    const value = /^[A-Za-z0-9._~+/=-]{1,4096}/.exec(text.slice(start, start + 4096))?.[0].replace(/[.]+$/, '') ?? ''
    const isMixed = !isWords(value) || (value.match(/[a-z][A-Z]/g)?.length ?? 0) > 3
    if (value.length >= minBearer && classes(value) >= 2 && isMixed && !/^[$<{%]|example|x{5}/i.test(value))
      yield { start, end: start + value.length, kind: 'token' }
  }
}

const maxValue = 512
const maxLabel = 100

function quotedValue(text: string, start: number, quote: string): string | null {
  const end = text.slice(start, start + maxValue).search(quote === '"' ? /["\\\s]/ : quote === "'" ? /['\\\s]/ : /[`\\\s]/)
  const closes = end > 0 && (text[start + end] === quote || (text[start + end] === '\\' && text[start + end + 1] === quote))
  return closes ? text.slice(start, start + end) : null
}

/** Code goes on behind a name, or ends a statement with it; a value ends its line, or is a field of a list. */
function isExpression(text: string, start: number, value: string): boolean {
  const isEnd = /^[ \t\r]*(?:\n|$|\\n|[,&|"'])/.test(text.slice(start + value.length, start + value.length + 20))
  return (!isEnd || /[;)]$/.test(value)) && isIdentifier(value.replace(/[;,)]+$/, ''))
}

/** A label with which a line begins, as in a file of variables: only white space ends its value. */
function isAlone(text: string, label: number): boolean {
  const before = text.slice(Math.max(0, label - maxLabel), label)
  const line = before.slice(before.lastIndexOf('\n') + 1)
  return (line.length < maxLabel || label <= maxLabel) && /^[\s\w.-]*$/.test(line)
}

/** To the end of the word; in a shell, in code and in a URL other signs end it too. */
function bareValue(text: string, start: number, isLine: boolean): string | null {
  const rest = text.slice(start, start + maxValue)
  const end = rest.search(isLine ? /[\s"'`]|\\[nrt"]/ : /[\s"'`,;&|<>]|\\[nrt"]/)
  return end < 0 ? (rest.length < maxValue ? rest : null) : rest.slice(0, end).replace(/[.:]+$/, '')
}

/** @returns whether a variable of a file with secrets is plainly none: a word, a number, a path, or an address without a password */
export function isOrdinary(label: string, value: string): boolean {
  if (new RegExp(`${strongLabel}|token`, 'i').test(label) && !describing.test(label)) return false
  const isAddress = /^[a-z][a-z0-9+.-]*:\/\/[^\s:@/]*(?:[:/][^@\s]*)?$/i.test(value)
  return isAddress || isWords(value) || /^[0-9.,:]+$/.test(value) || /^(?:\.{0,2}|~)\//.test(value)
}

function isPlausible(value: string, strong: boolean, quoted: boolean): boolean {
  if (value.length < minSecretCharacters || isPlaceholder(value) || classes(value) < 2 || new Set(value).size < 5) return false
  if (!strong && (isIdentifier(value) || isDigest(value))) return false
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(value)) return false
  if (isWords(value) || isCode(value) || isPath(value)) return false
  return quoted || !/[(){}[\]]/.test(value)
}

const placeholder =
  /^(?:[$<%{*#@[]|\.{2,}|(?:your|my|some|the|an?|test|dummy|fake|sample|change|insert|enter|redacted)[-_ ]|(?:process|env|os|import|secrets?)[.:]|(.)\1{5})|example|placeholder|changeme|x{5}|\.\.\.|…/i

function isPlaceholder(value: string): boolean {
  return placeholder.test(value)
}

/** How many of small letters, capitals, digits and other signs are in it. */
function classes(value: string): number {
  return [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((each) => each.test(value)).length
}

/** Words with signs or capitals between, perhaps with a version behind some: `current-password`, `accessToken`, `oauth2_client`. */
function isWords(value: string): boolean {
  if (/[!?#%^*+~@$&]/.test(value)) return false
  const parts = value.split(/[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])/).filter((part) => part !== '')
  const isWord = (part: string): boolean => /^(?:[A-Z]?[a-z]*|[A-Z]+|[A-Z]+[a-z]*)[0-9]?$|^[0-9]{1,4}$/.test(part)
  const numbered = parts.filter((part) => /[0-9]/.test(part)).length
  return parts.every(isWord) && value.length >= parts.length * 3 && numbered <= Math.max(1, parts.length / 3)
}

function isIdentifier(value: string): boolean {
  return /^[A-Za-z_$][\w$]*$/.test(value) && !/[0-9].*[A-Za-z].*[0-9]/.test(value)
}

function isDigest(value: string): boolean {
  return /^(?:[0-9a-f]+|[0-9A-F]+)$/.test(value)
}

/** Expressions: members, calls, arrows, types and templates. */
function isCode(value: string): boolean {
  return /^[A-Za-z_$][\w$]*(?:(?:\?\.|\.|::|->)[A-Za-z_$][\w$]*)+[;,)]*$|[\w$]\(|=>|\?\?|\.#\w|&&|\|\||\$\{|\{\{|<\w|^[!(]|[?:]\w*[.(]/.test(
    value,
  )
}

function isPath(value: string): boolean {
  return /^(?:urn:|[a-z][a-z0-9+.-]*:\/\/|\.{0,2}\/|~\/|[A-Za-z]:\\)/i.test(value) || /\.[a-z]{1,5}$/i.test(value)
}

const [minRandom, maxRandom] = [32, 128]
/** What stands before a digest or data, and not before a secret. */
const harmlessBefore =
  /(?:sha(?:1|224|256|384|512)[-:=]|md5[-:=]|base64,|\bh1:|integrity\W{1,4}|(?:hash|digest|checksum|etag|nonce|fingerprint|signature|revision|commit|cursor|mappings|[Ii]d)\W{1,4}|ssh-[a-z0-9]{3,9} |ecdsa-[a-z0-9-]{3,30} |[#@/.%\\-])$/

function* random(text: string): Generator<UnknownSecret> {
  for (const [from, end] of runs(text)) {
    // In JSON a line may end right before it.
    const index = /\\[nrt]/.test(text.slice(from - 1, from + 1)) ? from + 1 : from
    const value = text.slice(index, end)
    if (value.length < minRandom || value.length > maxRandom || isDigested(value) || isData(text, index, value.length) || !isRandom(value))
      continue
    if (/[.%@\\-]/.test(text[index + value.length] ?? '') || harmlessBefore.test(text.slice(Math.max(0, index - 40), index))) continue
    yield { start: index, end: index + value.length, kind: 'random' }
  }
}

/** @returns start and end of each run of letters, digits and signs of base64 that may be a random token, with the padding */
function* runs(text: string): Generator<readonly [start: number, end: number]> {
  const last = minRandom - 1
  // The last place of a run that would begin here is looked at first: where it is no part of one, 32 places are passed at once.
  for (let from = 0; from + last < text.length;) {
    let start = from + last
    while (start >= from && isTokenSign(text.charCodeAt(start))) start -= 1
    if (start >= from) {
      from = start + 1
      continue
    }
    let end = from + minRandom
    while (end < text.length && isTokenSign(text.charCodeAt(end))) end += 1
    const next = end + 1
    for (let padding = 0; padding < 2 && text[end] === '='; padding += 1) end += 1
    yield [from, end]
    from = next
  }
}

/** Letters, digits, `+`, `-`, `/` and `_`. */
function isTokenSign(code: number): boolean {
  return (
    (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 47 && code <= 57) || code === 43 || code === 45 || code === 95
  )
}

/** A part of a longer run without spaces and quotes: a source map, a list of offsets, a picture. */
function isData(text: string, start: number, length: number): boolean {
  const before = /[^\s"'`<>(){}]*$/.exec(text.slice(Math.max(0, start - maxRandom), start))?.[0].length ?? 0
  const after = /^[^\s"'`<>(){}]*/.exec(text.slice(start + length, start + length + maxRandom))?.[0].length ?? 0
  return before + length + after > maxRandom + length / 2
}

/** The token pattern takes the name of an algorithm for a part of the value. */
function isDigested(value: string): boolean {
  return /^(?:sha[0-9]{1,3}|md5|nonce)[-_/]/i.test(value)
}

/** Names of code and of folders. */
function isNames(value: string): boolean {
  return (
    (/_.*_.*_/.test(value) && !value.includes('-')) ||
    (value.includes('/') && value.split('/').some((part) => /^[A-Za-z-]{6,}$/.test(part)))
  )
}

function isEncodedText(value: string): boolean {
  return /^[\s\x20-\x7e]*$/.test(Buffer.from(value, 'base64').toString('latin1'))
}

/** Letters of both cases and digits in a mixture that neither words nor encoded text have. */
function isRandom(value: string): boolean {
  const plain = value.replace(/=+$/, '')
  const digits = plain.match(/[0-9]/g)?.length ?? 0
  if (classes(plain.replaceAll(/[+/_-]/g, '')) < 3 || digits === 0 || digits > plain.length / 2) return false
  if (/[a-z]{10}|[A-Z]{10}|[0-9]{10}|(.)\1{3}/.test(plain) || plain.startsWith('AAAA')) return false
  const inWords = plain.match(/[a-z]{4,}|[A-Z]{4,}/g)?.join('').length ?? 0
  if (inWords > plain.length * 0.6 || isNames(plain) || isEncodedText(plain)) return false
  let changes = 0
  for (let i = 1; i < plain.length; i += 1) if (classOf(plain, i) !== classOf(plain, i - 1)) changes += 1
  return changes > plain.length * 0.35 && entropy(plain) > Math.min(4.2, Math.log2(plain.length) * 0.85)
}

function classOf(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 97 ? 0 : code >= 65 && code <= 90 ? 1 : code >= 48 && code <= 57 ? 2 : 3
}

/** Bits a character. */
function entropy(text: string): number {
  const counts = new Map<string, number>()
  for (const each of text) counts.set(each, (counts.get(each) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}
