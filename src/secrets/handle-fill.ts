/**
 * Puts values in place of handles in the input of a call. A value may be hostile (it may come from a web page), and the call was judged
 * and approved with the handle, so a value never changes what the call does: none stands in a path, in the host of a URL or in an id, and
 * in a command line it is a variable unless it has only characters that mean nothing to a shell.
 */
import { isObject, ownValue, setOwn } from '../base/index.ts'
import { createDeepHide } from './deep-hide.ts'

/** What handles stand for; undefined for text that only looks like one. */
type Spelled = (handle: string) => string | undefined

const handlePattern = /\[secret:([^[\]\n]{1,200})\]/g
/** Fields that decide where a call acts; what they hold is compared with rights and rules. */
const places: ReadonlySet<string> = new Set(['path', 'from', 'to', 'cwd', 'id', 'binary', 'glob', 'hosts', 'profile', 'tab'])
/** Characters without a meaning in any quotes of a shell. */
const inert = /^[A-Za-z0-9_./:@%+=,-]*$/

/** @param take called with each handle in a text or in the name of a field, without its brackets */
export function eachHandle(input: unknown, take: (handle: string) => void): void {
  if (typeof input === 'string') {
    if (input.includes('[secret:')) for (const [, handle = ''] of input.matchAll(handlePattern)) take(handle)
  } else if (Array.isArray(input)) for (const item of input) eachHandle(item, take)
  else if (isObject(input))
    for (const key of Object.keys(input)) {
      eachHandle(key, take)
      eachHandle(ownValue(input, key), take)
    }
}

/** @returns why a value cannot stand where a handle is, at any depth; empty when it can */
export function misplaced(input: unknown, spelled: Spelled): string {
  if (Array.isArray(input)) return firstOf(input, (item) => misplaced(item, spelled))
  if (!isObject(input)) return ''
  const has = (value: unknown): boolean => {
    let found = false
    eachHandle(value, (handle) => (found ||= spelled(handle) !== undefined))
    return found
  }
  const names = Object.keys(input)
  // A value as a name could make any field, such as a path that nobody has compared with rights.
  if (names.some(has)) return 'A secret cannot stand in the name of a field.'
  const field = names.find((key) => places.has(key) && has(ownValue(input, key)))
  if (field !== undefined) return `A secret cannot stand in the field ${field}.`
  const { url, keys, text, args } = input
  if (typeof url === 'string' && has(url) && hostOf(url) !== hostOf(fillText(url, spelled)))
    return 'A secret cannot stand in the host of a URL.'
  const addsOption = (arg: unknown): boolean => typeof arg === 'string' && !arg.startsWith('-') && fillText(arg, spelled).startsWith('-')
  if (Array.isArray(args) && args.some(addsOption)) return 'This secret begins with a sign that makes it an option of the program.'
  // What is typed into a session, as text or key by key, may be read by a shell.
  let isTyped = true
  if (keys !== undefined) eachHandle([keys, text], (handle) => (isTyped &&= inert.test(spelled(handle) ?? '')))
  if (!isTyped) return 'This secret has characters that a shell would interpret. Write it to a file, or give it to a command as a variable.'
  return firstOf(names, (name) => misplaced(ownValue(input, name), spelled))
}

function firstOf<Item>(items: readonly Item[], why: (item: Item) => string): string {
  for (const item of items) {
    const reason = why(item)
    if (reason !== '') return reason
  }
  return ''
}

function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).host : null
}

export interface Filled {
  readonly input: unknown
  /** Variables of the command line. */
  readonly env: Readonly<Record<string, string>>
}

/** @returns the input with values; in its `command`, what a shell could interpret is a variable */
export function fillHandles(input: unknown, spelled: Spelled): Filled {
  const fill = createDeepHide((text) => fillText(text, spelled))
  if (!isObject(input) || typeof input['command'] !== 'string') return { input: fill(input), env: {} }
  const { command, ...rest } = input
  const env: Record<string, string> = {}
  const line = command.replaceAll(handlePattern, (whole, handle: string, at: number) => {
    const value = spelled(handle)
    if (value === undefined) return whole
    if (inert.test(value)) return value
    const name = Object.keys(env).find((each) => ownValue(env, each) === value) ?? `OXBOW_SECRET_${Object.keys(env).length + 1}`
    setOwn(env, name, value)
    return quotedVariable(name, quoteAt(command, at))
  })
  return { input: { ...(fill(rest) as object), command: line }, env }
}

function fillText(text: string, spelled: Spelled): string {
  return text.includes('[secret:') ? text.replaceAll(handlePattern, (whole, handle: string) => spelled(handle) ?? whole) : text
}

/** Whatever the quotes are, a shell expands the variable or leaves it, and never runs the value. */
function quotedVariable(name: string, quote: string): string {
  return quote === '"' ? `\${${name}}` : quote === "'" ? `'"\${${name}}"'` : `"\${${name}}"`
}

/** @returns the quotation mark that encloses a place in a command line; empty for none */
function quoteAt(line: string, end: number): string {
  let quote = ''
  for (let at = 0; at < end; at += 1) {
    const sign = line[at]!
    if (sign === '\\' && quote !== "'") at += 1
    else if (quote === '' && (sign === '"' || sign === "'")) quote = sign
    else if (sign === quote) quote = ''
  }
  return quote
}
