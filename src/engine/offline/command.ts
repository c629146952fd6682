/**
 * What the offline interpreter understands, and how it reads a sentence. Paths are full: `/shared/…` or `/tmp/…`. Quoted content is
 * taken out of a sentence before its grammar is looked at, so that a quoted "delete everything" is never a command; its place holders
 * (NUL, number, NUL) are one word to the grammar.
 */
import { type JsonObject, ownValue } from '../../base/index.ts'

/** What the offline interpreter understood of a message. */
export type Command =
  | { readonly kind: 'list'; readonly path: string; readonly depth: number; readonly named: string }
  | { readonly kind: 'read'; readonly path: string; readonly fromLine: number; readonly maxLines: number }
  | { readonly kind: 'search'; readonly pattern: string; readonly path: string; readonly regex: boolean }
  | { readonly kind: 'write'; readonly path: string; readonly text: string }
  | { readonly kind: 'append'; readonly path: string; readonly text: string }
  | { readonly kind: 'edit'; readonly path: string; readonly find: string; readonly replace: string; readonly all: boolean }
  | { readonly kind: 'delete'; readonly path: string; readonly recursive: boolean }
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'summarise'; readonly path: string }
  | { readonly kind: 'todo'; readonly path: string; readonly title: string; readonly items: readonly string[] }
  | { readonly kind: 'remember'; readonly text: string }
  | { readonly kind: 'recall'; readonly query: string }
  | { readonly kind: 'fetch'; readonly url: string }
  | { readonly kind: 'web_search'; readonly query: string }
  | { readonly kind: 'sum'; readonly expression: string; readonly value: number }
  /** Without a path: the newest change, whatever it was. */
  | { readonly kind: 'restore'; readonly path: string | null }
  /** Scheduling needs a right that agents do not have by default, and goals that these rules cannot carry out. */
  | { readonly kind: 'reminder' }
  | { readonly kind: 'time' }
  | { readonly kind: 'story' | 'help' | 'hello' | 'thanks' | 'unknown' }
  /** The verb is clear and something it needs is missing; `example` shows the whole form. */
  | { readonly kind: 'unclear'; readonly missing: string; readonly example: string }

/** Commands that one tool call carries out. */
export type ToolCommand = Extract<
  Command,
  {
    kind: 'list' | 'read' | 'search' | 'write' | 'edit' | 'delete' | 'run' | 'remember' | 'recall' | 'fetch' | 'web_search' | 'time'
  }
>

/** 0: not given. */
export const unsaid = 0

export interface PlannedCall {
  readonly name: string
  readonly arguments: JsonObject
}

/** What a command does next: make these calls, or say this. */
export type Step = { readonly calls: readonly PlannedCall[] } | { readonly say: string }

export interface Sentence {
  /** The sentence with place holders. */
  readonly skeleton: string
  /** Puts quoted content back into a piece of the skeleton; a piece that is one place holder becomes its content. */
  fill(piece: string): string
}

/** @param body the sentence without politeness, with place holders. @returns null when the rule is not about it. */
export type Rule = (body: string, sentence: Sentence) => Command | null

/** Closing mark of each opening one. */
const marks: Readonly<Record<string, string>> = { '"': '"', "'": "'", '`': '`', '“': '”', '‘': '’', '«': '»' }

export function readSentence(text: string): Sentence {
  const quotes: { content: string; raw: string }[] = []
  let skeleton = ''
  let at = 0
  const plain = text.replaceAll('\0', '')
  // A mark that has no closing one ahead has none further on: without this, a text of opening marks takes quadratic time.
  const unclosed = new Set<string>()
  while (at < plain.length) {
    const quote = quoteAt(plain, at, unclosed)
    if (quote === null) {
      skeleton += plain[at]
      at += 1
      continue
    }
    skeleton += `\0${quotes.length}\0`
    quotes.push({ content: quote.content, raw: plain.slice(at, quote.end) })
    at = quote.end
  }
  const find = (number: string): { content: string; raw: string } => quotes[Number(number)] ?? { content: '', raw: '' }
  return {
    skeleton,
    fill: (piece) => {
      const whole = /^\0(\d+)\0$/.exec(piece.trim())
      if (whole !== null) return find(whole[1] ?? '').content
      return piece.replaceAll(/\0(\d+)\0/g, (_, number: string) => find(number).raw)
    },
  }
}

function quoteAt(text: string, at: number, unclosed: Set<string>): { content: string; end: number } | null {
  if (text.startsWith('```', at) && !unclosed.has('```')) {
    const end = text.indexOf('```', at + 3)
    if (end < 0) {
      unclosed.add('```')
      return null
    }
    // The word after an opening fence names a language and is no content.
    return { content: text.slice(at + 3, end).replace(/^[\w+-]*\n/, ''), end: end + 3 }
  }
  const close = ownValue(marks, text[at] ?? '')
  if (close === undefined || unclosed.has(close) || (at > 0 && !/[\s(=:,[]/.test(text[at - 1] ?? ''))) return null
  const escapes = text[at] === '"' || text[at] === "'"
  for (let end = at + 1; end < text.length; end += 1) {
    if (escapes && text[end] === '\\') end += 1
    // An apostrophe inside a word does not close.
    else if (text[end] === close && !/[\p{L}\p{N}]/u.test(text[end + 1] ?? '')) {
      const inner = text.slice(at + 1, end)
      return { content: escapes ? unescape(inner) : inner, end: end + 1 }
    }
  }
  unclosed.add(close)
  return null
}

function unescape(text: string): string {
  const known: Record<string, string> = { n: '\n', t: '\t', r: '\r', '"': '"', "'": "'", '\\': '\\' }
  return text.replaceAll(/\\(.)/gs, (whole, letter: string) => ownValue(known, letter) ?? whole)
}

/** @returns the path as tools know it. Words for "here" and an empty text are the shared folder. */
export function fullPath(piece: string, sentence: Sentence): string {
  const quoted = /^\s*\0\d+\0\s*$/.test(piece)
  let path = sentence.fill(piece).trim()
  if (!quoted) path = path.replace(/(?<=[^.\s/])[.,;:!?]+$/, '').replace(/^(?:the|my|a|an)\s+/i, '')
  if (/^(?:|\.|\.\/|~|~\/|here|this|it|workspace|current|shared|everything|all|files?)$/i.test(path)) return '/shared'
  if (/^\/?tmp$/i.test(path)) return '/tmp'
  if (path.startsWith('/')) return path.length > 1 ? path.replace(/\/+$/, '') : '/shared'
  return `/shared/${path.replace(/^(?:~\/|\.\/)+/, '').replace(/\/+$/, '')}`
}
