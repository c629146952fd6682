/**
 * Keys of the configuration, as paths with the outermost table first: what stands at them, which of them are walls, and which of two values
 * of a key is the tighter one. A schema says that itself: `.meta(tighter(…))` becomes part of its JSON Schema, where a page and an editor
 * find it, too.
 */
import { isObject, type Json, ownValue } from '../base/index.ts'
import type { ConfigProposal } from './settings.ts'

/** @param dotted a part in quotes may hold dots, as in TOML @returns the parts of the key */
export function keyParts(dotted: string): readonly string[] {
  return [...dotted.matchAll(/"([^"]*)"|'([^']*)'|([^.\s"']+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

/** @returns the key as a person writes it */
export function keyText(key: readonly string[]): string {
  return key.map((part) => (/^[\w-]+$/.test(part) ? part : JSON.stringify(part))).join('.')
}

/** @returns what stands there; undefined for nothing */
export function valueIn(table: unknown, key: readonly string[]): unknown {
  return key.reduce<unknown>((at, name) => (isObject(at) ? ownValue(at, name) : undefined), table)
}

/** @returns values by key, of a whole configuration; an empty table counts as a value */
export function flatConfig(value: unknown, path: readonly string[] = []): readonly (readonly [key: readonly string[], value: Json])[] {
  if (!isObject(value) || (Object.keys(value).length === 0 && path.length > 0)) return [[path, value as Json]]
  return Object.entries(value).flatMap(([name, inner]) => flatConfig(inner, [...path, name]))
}

/** @returns the keys whose values differ; a null is a key that does not exist on that side */
export function configDifferences(before: unknown, after: unknown): ConfigProposal['changes'] {
  const [old, now] = [before, after].map((config) => new Map(flatConfig(config).map(([key, value]) => [keyText(key), value])))
  return [...new Set([...old!.keys(), ...now!.keys()])]
    .filter((key) => JSON.stringify(old!.get(key)) !== JSON.stringify(now!.get(key)))
    .map((key) => ({ key, before: old!.get(key) ?? null, after: now!.get(key) ?? null }))
}

/**
 * How the values of a key are ordered: a list of them, the loosest first; `lower`: the lower number, null is the loosest; `fewer` and `more`:
 * the list with fewer or more entries; `rights`: as `fewer`, where `!NAME` takes one away and `*` is all of them.
 */
export type Tighter = readonly (string | boolean)[] | 'lower' | 'fewer' | 'more' | 'rights'

export const tighter = (order: Tighter): { readonly 'x-tighter': Tighter } => ({ 'x-tighter': order })

/** The order of decisions. */
export const decisionOrder = ['allow', 'ask', 'deny'] as const

/** Sections, or keys, in which a mistyped key would leave a wall down unnoticed. */
const walls: readonly string[] = [
  'access',
  'agent.rights',
  'approval',
  'budget',
  'egress',
  'exec',
  'flow',
  'only_tighten',
  'sandbox',
  'secrets',
]

/** @param key path, outermost table first */
export function isWall(key: readonly string[]): boolean {
  const name = key.join('.')
  return walls.some((wall) => name === wall || name.startsWith(`${wall}.`))
}

/** @returns the part of a JSON Schema for the value at a path; undefined where there is none */
export function schemaAt(schema: unknown, path: readonly string[]): unknown {
  let place = schema
  for (const part of path) {
    if (!isObject(place)) return undefined
    const { properties, additionalProperties } = place
    const inner = isObject(properties) ? ownValue(properties, part) : undefined
    place = inner ?? (isObject(additionalProperties) ? additionalProperties : undefined)
  }
  return place
}

export type Comparison = 'same' | 'tighter' | 'looser' | 'other'

/**
 * @param schema JSON Schema of the configuration
 * @param before undefined: the table has no such entry
 * @returns what the second value is, compared with the first; `other` for a key whose values have no order
 */
export function compareValues(schema: unknown, key: readonly string[], before: Json | undefined, after: Json | undefined): Comparison {
  if (JSON.stringify(before) === JSON.stringify(after)) return 'same'
  const place = schemaAt(schema, key)
  const order = orderOf(place)
  if (order === undefined) return 'other'
  const [isTighter, isLooser] = [isWithin(order, after, before), isWithin(order, before, after)]
  return isTighter === isLooser ? (isTighter ? 'same' : 'looser') : isTighter ? 'tighter' : 'looser'
}

/** A value that may be null has the order of its other kind. */
function orderOf(place: unknown): Tighter | undefined {
  if (!isObject(place)) return undefined
  const kinds = Array.isArray(place['anyOf']) ? place['anyOf'] : []
  return (place['x-tighter'] as Tighter | undefined) ?? kinds.map(orderOf).find((order) => order !== undefined)
}

type Value = Json | undefined

/** @returns whether the first value lets nothing through that the second one stops */
function isWithin(order: Tighter, tight: Value, loose: Value): boolean {
  if (order === 'lower') return loose === null || loose === undefined || (typeof tight === 'number' && tight <= Number(loose))
  if (order === 'fewer') return entriesOf(tight).every((entry) => entriesOf(loose).includes(entry))
  if (order === 'more') return entriesOf(loose).every((entry) => entriesOf(tight).includes(entry))
  if (order === 'rights') return areRightsWithin(entriesOf(tight), entriesOf(loose))
  const rank = (value: Value): number => (value === undefined || value === null ? 0.5 : order.indexOf(value as string | boolean))
  return rank(tight) >= rank(loose)
}

function entriesOf(value: Value): readonly string[] {
  return Array.isArray(value) ? value.map((entry) => (typeof entry === 'string' ? entry : JSON.stringify(entry))) : []
}

function areRightsWithin(tight: readonly string[], loose: readonly string[]): boolean {
  const isDenial = (right: string): boolean => right.startsWith('!')
  const granted = new Set(loose.filter((right) => !isDenial(right)))
  const isGranted = (right: string): boolean => granted.has('*') || granted.has(right) || granted.has(right.split(':')[0] ?? right)
  return tight.every((right) => isDenial(right) || isGranted(right)) && loose.filter(isDenial).every((right) => tight.includes(right))
}
