/**
 * Keys of the configuration, as paths with the outermost table first: what stands at them, and which of them are walls. Which of two values
 * is the tighter one a schema says itself: `.meta(tighter(…))` becomes part of its JSON Schema, where a page and an editor find it, too;
 * `config-walls.ts` compares with it.
 */
import { isObject, type Json, ownValue } from '../../base/index.ts'

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

/**
 * How the values of a key are ordered: a list of them, the loosest first; `lower`: the lower number, null is the loosest; `fewer` and `more`:
 * the list with fewer or more entries; `rights`: as `fewer`, where `!NAME` takes one away and `*` is all of them.
 */
export type Tighter = readonly (string | boolean)[] | 'lower' | 'fewer' | 'more' | 'rights'

export const tighter = (order: Tighter): { readonly 'x-tighter': Tighter } => ({ 'x-tighter': order })

/** @param key whose value counts where this one is unset */
export const otherwise = (key: string): { readonly 'x-otherwise': string } => ({ 'x-otherwise': key })

/**
 * When a changed value counts: `live`: from the next turn on; `restart`: when the guest restarts itself, which keeps connections; `process`:
 * after `oxbow restart`. A section says it for its keys; by default they wait for a restart.
 */
export type Effect = 'live' | 'restart' | 'process'

export const takesEffect = (effect: Effect): { readonly 'x-takes-effect': Effect } => ({ 'x-takes-effect': effect })

/** @param schema JSON Schema of the configuration */
export function effectOf(schema: unknown, key: readonly string[]): Effect {
  for (let length = key.length; length > 0; length -= 1) {
    const place = schemaAt(schema, key.slice(0, length))
    if (isObject(place) && place['x-takes-effect'] !== undefined) return place['x-takes-effect'] as Effect
  }
  return 'restart'
}

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

/** @returns the part of a JSON Schema for the value at a path; undefined for a path that nothing describes */
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
