/**
 * Pins: what a conversation has committed itself to, kept word for word while the rest is summed up. Rules find them in what
 * the person and the agent said, never in what tools brought in: a page that claims "we decided to …" decides nothing.
 */
import { z } from 'zod'
import { truncate } from '../../base/index.ts'
import { sentencesOf } from './sentences.ts'
import { maxPinChars, maxPins, maxPinsChars } from './summary-limits.ts'

export const pinSchema = z.object({
  id: z.string().describe('`p1`, `p2` …, in the order of finding; never given twice in a session.'),
  kind: z.enum(['goal', 'decision', 'question', 'path', 'id']),
  text: z.string(),
  seq: z.int().nonnegative().describe('Of the record that it was said in.'),
})
export type Pin = z.infer<typeof pinSchema>
export type PinKind = Pin['kind']

export type FoundPin = Omit<Pin, 'id'>

/** What goes last when there is no room. */
const kinds: readonly PinKind[] = ['goal', 'decision', 'question', 'id', 'path']

const goal =
  /\b(?:(?:my|our|the|your) (?:main |final |overall )?(?:goal|aim|objective|task|deadline|target)\b|(?:i|we) (?:want|need|have) (?:you )?to\b|(?:must|should) (?:be (?:done|ready|finished)|not)\b|(?:always|never) )|목표|마감|해야 (?:한다|해|합니다)/iu
const decision =
  /\b(?:(?:we|i|you) (?:have |'ve |had )?(?:decided|agreed|chose|settled|picked)|decision:|decided:|(?:we|i)(?:'ll| will| are going to| am going to) (?:use|go with|stay with|keep)|let'?s (?:use|go with|keep|stay with)|we (?:use|go with)|approved\b|rejected\b)|(?:으로|로) (?:결정|정했|하기로)|결정(?:했|하)/iu
const question =
  /^(?:open question|to be decided|tbd|still open|to clarify|unresolved)\b|^(?:todo|질문|미정)\s*:|\b(?:still (?:have|need) to (?:decide|find out|ask|check)|remains? (?:open|unclear)|not (?:yet )?(?:decided|clear|settled))\b|아직 (?:정하지|모르)|^(?:should we|do we (?:want|need)|who (?:will|should)|which \w+ (?:should|do)|when (?:should|will) we)\b.*\?$/iu

/** A path has two names and a slash between them; addresses of the web are no paths. */
const path = /(?<![\w:/.~-])(?:~|\.{1,2})?\/?(?:[\w@.+-]+\/)+[\w@.+-]*[\w]|(?<![\w:/.-])\/[\w@.+-]+(?:\/[\w@.+-]+)*/gu
/** UUIDs, hashes, tickets (`ABC-123`), numbers with `#`, and codes of letters and digits with a dash. */
const id =
  /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b|\b[A-Z][A-Z0-9]{1,9}(?:-[A-Z0-9]{1,12}){0,3}-\d{1,9}[A-Z0-9]*\b|(?<![\w&])#\d{2,9}\b/gu

/** @returns what one message commits to, in its order; at most one pin of a kind for each sentence, one for each path and id. */
export function findPins(text: string, seq: number): readonly FoundPin[] {
  const found: FoundPin[] = []
  for (const sentence of sentencesOf(text)) {
    const shortened = truncate(sentence, maxPinChars)
    const kind = question.test(sentence) ? 'question' : decision.test(sentence) ? 'decision' : goal.test(sentence) ? 'goal' : null
    if (kind !== null) found.push({ kind, text: shortened, seq })
    // What stands in a pinned sentence is kept with it.
    const named = (name: string): boolean => kind === null || !shortened.includes(name)
    for (const name of namesIn(sentence, path))
      if (named(name) && /[A-Za-z]/.test(name)) found.push({ kind: 'path', text: around(sentence, name), seq })
    for (const name of namesIn(sentence, id)) if (named(name)) found.push({ kind: 'id', text: around(sentence, name), seq })
  }
  return found
}

/** @returns every path and id that stands in a text. */
export function identifiersIn(text: string): readonly string[] {
  return [...namesIn(text, path), ...namesIn(text, id)]
}

function namesIn(text: string, pattern: RegExp): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map(([name]) => name))].slice(0, maxPins)
}

/** The sentence when it is short, else the name with the words around it. */
function around(sentence: string, name: string): string {
  if (sentence.length <= maxPinChars) return sentence
  const at = sentence.indexOf(name)
  const room = Math.max(0, maxPinChars - Math.min(name.length, maxPinChars))
  const from = Math.max(0, at - (room >> 1))
  return truncate(sentence.slice(from), maxPinChars)
}

/** Two pins say the same when only case, marks and white space differ. */
const sameAs = ({ kind, text }: FoundPin): string =>
  `${kind} ${text
    .toLowerCase()
    .replace(/[\s\p{P}]+/gu, ' ')
    .trim()}`

/**
 * Adds what was found to what was kept: the same is kept once, as it was said last. Within the bounds; what goes first is the
 * least important kind, and of it the oldest.
 *
 * @param next number of the next new pin
 */
export function mergePins(
  kept: readonly Pin[],
  found: readonly FoundPin[],
  next: number,
): { readonly pins: readonly Pin[]; readonly next: number } {
  const byMeaning = new Map(kept.map((pin) => [sameAs(pin), pin]))
  let number = next
  for (const each of found) {
    const pin = { ...each, text: truncate(each.text, maxPinChars) }
    const key = sameAs(pin)
    const earlier = byMeaning.get(key)
    byMeaning.set(key, earlier === undefined ? { id: `p${number++}`, ...pin } : { ...earlier, seq: Math.max(earlier.seq, pin.seq) })
  }
  return { pins: boundPins([...byMeaning.values()], maxPinsChars), next: number }
}

/** @returns the most important ones that fit, in order of their kind and then of their saying. */
export function boundPins(pins: readonly Pin[], maxChars: number): readonly Pin[] {
  const rank = ({ kind }: Pin): number => kinds.indexOf(kind)
  const best = pins.toSorted((a, b) => rank(a) - rank(b) || b.seq - a.seq)
  const kept: Pin[] = []
  let chars = 0
  for (const pin of best) {
    if (kept.length >= maxPins || chars + pin.text.length > maxChars) continue
    chars += pin.text.length
    kept.push(pin)
  }
  return kept.toSorted((a, b) => rank(a) - rank(b) || a.seq - b.seq)
}
