/** Grammar of everyday requests: lists, memory, the web, sums, and what nothing here can do yet. */
import type { Rule, Sentence } from './command.ts'

const list = String.raw`(?:my|the|a|an|our)?\s*(?:new\s+|empty\s+)?(to[- ]?dos?|tasks?|shopping|grocery)(?:[- ]?list)?`

const lists: Rule = (body, sentence) => {
  const said = body.replace(/[.!?]+$/, '')
  const made = new RegExp(
    String.raw`^(?:make|create|start|write|give|begin|set\s+up|new)\s+(?:me\s+)?${list}(?:\s*(?::|\bwith\b|\bof\b)\s*([\s\S]+))?$`,
    'i',
  ).exec(said)
  if (made !== null) return { kind: 'todo', ...listOf(made[1] ?? ''), items: itemsIn(made[2] ?? '', sentence) }
  const added = new RegExp(String.raw`^(?:add|put|write|append)\s+([\s\S]+?)\s+(?:to|on|onto|into|in)\s+${list}$`, 'i').exec(said)
  if (added !== null) return { kind: 'todo', ...listOf(added[2] ?? ''), items: itemsIn(added[1] ?? '', sentence) }
  const shown = new RegExp(
    String.raw`^(?:show|read|open|see|what(?:'s|’s|\s+is)\s+(?:on|in)|what(?:'s|’s|\s+is|\s+are))\s+(?:me\s+)?${list}$`,
    'i',
  ).exec(said)
  return shown === null ? null : { kind: 'read', path: listOf(shown[1] ?? '').path, fromLine: 0, maxLines: 0 }
}

function listOf(name: string): { readonly path: string; readonly title: string } {
  const isShopping = /^(?:shop|groc)/i.test(name)
  return isShopping ? { path: '/shared/shopping.md', title: 'Shopping' } : { path: '/shared/todo.md', title: 'To do' }
}

function itemsIn(text: string, sentence: Sentence): readonly string[] {
  return text
    .split(/\s*(?:[,;\n]|\band\b)\s*/i)
    .map((item) => sentence.fill(item).trim())
    .filter((item) => item !== '')
}

const memory: Rule = (body, sentence) => {
  const asked = /^(?:what\s+do\s+you\s+(?:remember|know)|do\s+you\s+remember|recall)\b\s*(?:about|of|that)?\s*([\s\S]*?)[?.!]*$/i.exec(body)
  if (asked !== null) {
    const query = sentence.fill(asked[1] ?? '').trim()
    return query === ''
      ? { kind: 'unclear', missing: 'what to look up in memory', example: 'what do you remember about my car' }
      : { kind: 'recall', query }
  }
  const told =
    /^(?:remember|memori[sz]e|keep\s+in\s+mind|note(?=\s+that\b|:)|(?:do\s+not|don['’]t)\s+forget)\b(?:\s+that\b|\s*:)?\s*([\s\S]*)$/i
  const found = told.exec(body)
  if (found === null) return null
  const text = sentence.fill(found[1] ?? '').trim()
  return text === ''
    ? { kind: 'unclear', missing: 'what to remember', example: 'remember that I use metric units' }
    : { kind: 'remember', text: text[0]!.toUpperCase() + text.slice(1) }
}

const web: Rule = (body, sentence) => {
  const page = /^(?:fetch|browse|visit|open|read|get|show|summari[sz]e|go\s+to|look\s+at)\s+(?:me\s+)?(https?:\/\/\S+)$/i.exec(body)
  if (page !== null) return { kind: 'fetch', url: page[1] ?? '' }
  const online = String.raw`(?:the\s+)?(?:web|internet|net)`
  const found =
    new RegExp(String.raw`^(?:google|web\s+search|(?:search|look|ask)\s+(?:(?:in|on)\s+)?${online})\s+(?:for\s+)?([\s\S]+)$`, 'i').exec(
      body,
    ) ?? new RegExp(String.raw`^(?:search|look|find)\s+(?:for\s+|up\s+)?([\s\S]+?)\s+(?:on|in)\s+${online}[?.!]*$`, 'i').exec(body)
  return found === null ? null : { kind: 'web_search', query: sentence.fill(found[1] ?? '').trim() }
}

const sums: Rule = (body) => {
  const found = /^(?:what(?:'s|’s|\s+is)|how\s+much\s+is|calculate|compute|evaluate)?\s*([-+*/%^().\d\s×÷x]{3,200})=?\s*[?.!]*$/i.exec(body)
  const text = found?.[1]?.replaceAll(/[×x]/gi, '*').replaceAll('÷', '/').replaceAll(/\s+/g, '') ?? ''
  if (!/[\d)][-+*/%^][-\d(.]/.test(text)) return null
  const value = evaluate(text)
  return value === null ? null : { kind: 'sum', expression: text, value }
}

/** @returns the value of a sum of numbers, `+ - * / % ^` and brackets; null when it is not one. Not finite when it has no value. */
function evaluate(text: string): number | null {
  let at = 0
  const take = (marks: string): string | null => (at < text.length && marks.includes(text[at]!) ? text[at++]! : null)
  const atom = (): number | null => {
    if (take('-') !== null) return apply(0, '-', power())
    if (take('(') !== null) {
      const inner = sum()
      return take(')') === null ? null : inner
    }
    const number = /^(?:\d+\.?\d*|\.\d+)/.exec(text.slice(at))?.[0]
    if (number === undefined) return null
    at += number.length
    return Number(number)
  }
  const power = (): number | null => {
    const base = atom()
    return take('^') === null ? base : apply(base, '^', power())
  }
  const chain = (marks: string, next: () => number | null): number | null => {
    let value = next()
    for (let mark = take(marks); mark !== null && value !== null; mark = take(marks)) value = apply(value, mark, next())
    return value
  }
  const sum = (): number | null => chain('+-', () => chain('*/%', power))
  const value = sum()
  return at === text.length ? value : null
}

function apply(left: number | null, mark: string, right: number | null): number | null {
  if (left === null || right === null) return null
  if (mark === '+') return left + right
  if (mark === '-') return left - right
  if (mark === '*') return left * right
  if (mark === '/') return left / right
  return mark === '%' ? left % right : left ** right
}

const notYet: Rule = (body) => {
  if (/^(?:undo|redo|revert|roll\s*back|restore|take\s+(?:that|it|this)\s+back)\b/i.test(body)) return { kind: 'absent', what: 'undo' }
  const timed =
    /^(?:remind\s+me|set\s+(?:me\s+)?(?:an?\s+|the\s+)?(?:reminder|alarm|timer)|wake\s+me|schedule|every\s+(?:day|hour|morning|evening|week))\b/i
  return timed.test(body) ? { kind: 'absent', what: 'reminders' } : null
}

export const dailyRules: readonly Rule[] = [notYet, memory, lists, web, sums]
