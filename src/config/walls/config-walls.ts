/**
 * Which of two configurations is the tighter one, key by key, and a configuration that is nowhere looser than another one. A file may be
 * replaced by what was kept of it, and a layer may fix what later ones change: neither must take a wall down.
 */
import { isObject, type Json, ownValue, setOwn } from '../../base/index.ts'
import { coversResource, type Grant, grantOf } from '../../protocol/index.ts'
import type { BudgetLimit, Config } from '../config.ts'
import type { ConfigProposal } from '../settings.ts'
import { effectOf, flatConfig, isWall, keyParts, keyText, schemaAt, type Tighter } from './config-keys.ts'

type Comparison = 'same' | 'tighter' | 'looser' | 'other'

/** Values by key, as people write it. */
export type FlatConfig = ReadonlyMap<string, Json>

export interface KeyComparison {
  readonly key: readonly string[]
  /** Undefined: there is no such entry. */
  readonly before: Json | undefined
  readonly after: Json | undefined
  /** The second value, compared with the first; `other`: values of the key have no order. */
  readonly is: Exclude<Comparison, 'same'>
}

export function flatByText(config: unknown): FlatConfig {
  return new Map(flatConfig(config).map(([key, value]) => [keyText(key), value]))
}

/** @returns the keys whose values differ; a null is a key that does not exist on that side */
export function configDifferences(before: unknown, after: unknown): ConfigProposal['changes'] {
  const [old, now] = [before, after].map((config) => new Map(flatConfig(config).map(([key, value]) => [keyText(key), value])))
  return [...new Set([...old!.keys(), ...now!.keys()])]
    .filter((key) => JSON.stringify(old!.get(key)) !== JSON.stringify(now!.get(key)))
    .map((key) => ({ key, before: old!.get(key) ?? null, after: now!.get(key) ?? null }))
}

/** @param schema JSON Schema of the configuration @returns the keys whose values differ in what they allow */
export function compareConfigs(schema: unknown, before: FlatConfig, after: FlatConfig): readonly KeyComparison[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [old, now] = [before.get(name), after.get(name)]
    // The entries of a table tell more than that it is empty on one side.
    if (JSON.stringify(old) === JSON.stringify(now) || [old, now].every((value) => value === undefined || isEmptyTable(value))) return []
    const key = keyParts(name)
    const place = schemaAt(schema, key)
    const is = compareValues(place, applied(place, old, before, schema), applied(place, now, after, schema))
    return is === 'same' ? [] : [{ key, before: old, after: now, is }]
  })
}

/**
 * @param config a whole configuration
 * @param than the one that it must not be looser than
 * @param counts which keys are compared
 * @returns the values of `config`, with `than`'s where its own are looser, or may be; to be checked as any configuration
 */
export function tightenedTo<Values extends object>(
  schema: unknown,
  config: Values,
  than: object,
  counts: (key: readonly string[]) => boolean = () => true,
): Values {
  const tightened = structuredClone(config)
  for (const { key, before, after, is } of compareConfigs(schema, flatByText(than), flatByText(config))) {
    if (!counts(key) || is === 'tighter' || (is === 'other' && !isWall(key))) continue
    const areLists = Array.isArray(before) && Array.isArray(after)
    setAt(tightened as Record<string, unknown>, key, areLists ? commonOf(orderOf(schemaAt(schema, key)), before, after) : before)
  }
  return tightened
}

/** What both lists let through, where neither has less than the other. */
function commonOf(order: Tighter | undefined, before: readonly Json[], after: readonly Json[]): readonly Json[] {
  const isDenial = (entry: Json): boolean => typeof entry === 'string' && entry.startsWith('!')
  if (order === 'fewer') return before.filter((entry) => after.includes(entry))
  if (order === 'more')
    return [...before, ...after.filter((entry) => !entriesOf(before).includes(JSON.stringify(entry)) && !before.includes(entry))]
  if (order !== 'rights') return before
  const denials = after.filter((entry) => isDenial(entry) && !before.includes(entry))
  return [...before.filter((entry) => isDenial(entry) || areRightsWithin(entriesOf([entry]), entriesOf(after))), ...denials]
}

/**
 * @param running what a guest runs with
 * @param next what the files say
 * @returns `running` with all values of `next` that count without a restart, and the keys whose values wait for one
 */
export function takeLive<Values extends object>(
  schema: unknown,
  running: Values,
  next: Values,
): { readonly config: Values; readonly waiting: readonly string[] } {
  const config = structuredClone(running)
  const [old, now] = [flatByText(running), flatByText(next)]
  const waiting: string[] = []
  for (const name of new Set([...old.keys(), ...now.keys()])) {
    if (JSON.stringify(old.get(name)) === JSON.stringify(now.get(name))) continue
    if (effectOf(schema, keyParts(name)) === 'live') setAt(config as Record<string, unknown>, keyParts(name), now.get(name))
    else waiting.push(name)
  }
  return { config, waiting }
}

/** @param value undefined: removes it */
function setAt(table: Record<string, unknown>, [first = '', ...path]: readonly string[], value: unknown): void {
  const inner = ownValue(table, first)
  if (path.length === 0) {
    if (value === undefined) delete table[first]
    else setOwn(table, first, value)
  } else if (isObject(inner)) {
    setAt(inner, path, value)
    // Of an entry that is gone, nothing is left.
    if (value === undefined && Object.keys(inner).length === 0) delete table[first]
  } else if (value !== undefined) {
    const made = {}
    setOwn(table, first, made)
    setAt(made, path, value)
  }
}

function isEmptyTable(value: Json): boolean {
  return isObject(value) && Object.keys(value).length === 0
}

/** What counts at a key: where it is unset, the default, or the key that counts in its place. */
function applied(place: unknown, value: Json | undefined, config: FlatConfig, schema: unknown): Json | undefined {
  if (!isObject(place) || (value !== undefined && value !== null)) return value
  const other = place['x-otherwise']
  if (typeof other === 'string') return config.get(other) ?? defaultOf(schemaAt(schema, keyParts(other)))
  return value === undefined ? defaultOf(place) : value
}

function defaultOf(place: unknown): Json | undefined {
  return isObject(place) ? place['default'] : undefined
}

/** @param place of the JSON Schema for the value */
function compareValues(place: unknown, before: Json | undefined, after: Json | undefined): Comparison {
  if (JSON.stringify(before) === JSON.stringify(after)) return 'same'
  const order = orderOf(place)
  if (order === undefined) return 'other'
  const [isTighter, isLooser] = [isWithin(order, after, before), isWithin(order, before, after)]
  return isTighter === isLooser ? (isTighter ? 'same' : 'looser') : isTighter ? 'tighter' : 'looser'
}

/** A value that may be null has the order of its other kind. */
export function orderOf(place: unknown): Tighter | undefined {
  if (!isObject(place)) return undefined
  const kinds = Array.isArray(place['anyOf']) ? place['anyOf'] : []
  return (place['x-tighter'] as Tighter | undefined) ?? kinds.map(orderOf).find((order) => order !== undefined)
}

type Value = Json | undefined

/** @returns whether the first value lets nothing through that the second one stops */
function isWithin(order: Tighter, tight: Value, loose: Value): boolean {
  if (order === 'lower') return typeof loose !== 'number' || (typeof tight === 'number' && tight <= loose)
  if (order === 'fewer') return entriesOf(tight).every((entry) => entriesOf(loose).includes(entry))
  if (order === 'more') return entriesOf(loose).every((entry) => entriesOf(tight).includes(entry))
  if (order === 'rights')
    return loose === null || loose === undefined || (tight !== null && areRightsWithin(entriesOf(tight), entriesOf(loose)))
  // Between the loosest and the next: what is not named asks where its tier does.
  const rank = (value: Value): number => (value === undefined || value === null ? 0.5 : order.indexOf(value as string | boolean))
  return rank(tight) >= rank(loose)
}

function entriesOf(value: Value): readonly string[] {
  return Array.isArray(value) ? value.map((entry) => (typeof entry === 'string' ? entry : JSON.stringify(entry))) : []
}

/** @returns whether the second list grants all that the first one grants, with its folders, hosts and denials */
export function areRightsWithin(tight: readonly string[], loose: readonly string[]): boolean {
  const [own, most] = [readGrant(tight), readGrant(loose)]
  if (own === null || most === null) return false
  const denied = (right: string): boolean => !own.rights.has('*') || own.limits?.denied.has(right) === true
  return (
    [...own.rights].every((right) => most.rights.has('*') || most.rights.has(right)) &&
    [...(most.limits?.denied ?? [])].every((right) => !own.rights.has(right) && denied(right)) &&
    [...(most.limits?.only ?? [])].every(([right, folders]) => most.rights.has('*') || isLimited(own, right, folders)) &&
    [...(most.limits?.except ?? [])].every(([right, folders]) => isSpared(own, right, folders))
  )
}

function readGrant(entries: readonly string[]): Grant | null {
  try {
    return grantOf(entries)
  } catch {
    return null
  }
}

/** The right is not granted, or at most for these resources. */
function isLimited({ rights, limits }: Grant, right: string, most: readonly string[]): boolean {
  if (!rights.has(right)) return !rights.has('*') || limits?.denied.has(right) === true
  const own = rights.has('*') ? undefined : limits?.only.get(right)
  return own?.every((resource) => most.some((wide) => coversResource(right, wide, resource))) === true
}

/** The right is not granted, or not for these resources. */
function isSpared({ rights, limits }: Grant, right: string, except: readonly string[]): boolean {
  if (limits?.denied.has(right) === true || (!rights.has(right) && !rights.has('*'))) return true
  const own = limits?.except.get(right) ?? []
  return except.every((resource) => own.some((wide) => coversResource(right, wide, resource)))
}

/** @returns the limits that `only_tighten` holds: no total that a person sets takes their place */
export function heldBudget({ budget, only_tighten: locks }: Pick<Config, 'budget' | 'only_tighten'>): Config['budget'] {
  const isHeld = heldBy(locks)
  const heldIn = (section: 'user' | 'session'): BudgetLimit => ({
    micro_dollars: isHeld(['budget', section, 'micro_dollars']) ? budget[section].micro_dollars : null,
    tokens: isHeld(['budget', section, 'tokens']) ? budget[section].tokens : null,
  })
  return { user: heldIn('user'), session: heldIn('session') }
}

/** @param locks of `only_tighten` @returns whether they hold a key, or a section around it */
export function heldBy(locks: readonly string[]): (key: readonly string[]) => boolean {
  const held = locks.map(keyParts)
  return (key) => held.some((lock) => lock.every((name, part) => key[part] === name))
}
