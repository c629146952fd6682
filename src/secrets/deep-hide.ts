/** Replaces secrets within values, as they come from calls and go to their callers. */
import { isObject, ownValue, setOwn } from '../base/index.ts'
import { minSecretCharacters } from './limits.ts'

type HideText = (text: string, onFound?: (name: string) => void) => string

/**
 * @returns a function that replaces secrets in all strings of a value, and copies only what changes. A key `__proto__`, which JSON can have,
 * is left out: who copies the value key by key would replace what the copy inherits
 * @param joined what it finds in a text it finds as well where that stands between others: then one search says that a value has no secret.
 * Not for what looks at the text around, as the search for unknown secrets does
 */
export function createDeepHide(hide: HideText, joined = false): <Value>(value: Value, onFound?: (name: string) => void) => Value {
  const within = (value: unknown, onFound?: (name: string) => void): unknown => {
    if (typeof value === 'string') return value.length < minSecretCharacters ? value : hide(value, onFound)
    // Copies are made only where something changes: nearly no value of a turn has a secret.
    if (Array.isArray(value)) {
      let items: unknown[] | null = null
      for (let i = 0; i < value.length; i += 1) {
        const item = within(value[i], onFound)
        if (item !== value[i]) (items ??= [...(value as unknown[])])[i] = item
      }
      return items ?? value
    }
    if (!isObject(value)) return value
    // Bytes, and whatever else has a class of its own, are not text.
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return value
    let copy: Record<string, unknown> | null = null
    let hasSecretKey = false
    for (const key of Object.keys(value)) {
      if (key === '__proto__') {
        delete (copy ??= { ...value })[key]
        continue
      }
      const item = within(ownValue(value, key), onFound)
      if (item !== ownValue(value, key)) setOwn((copy ??= { ...value }), key, item)
      hasSecretKey ||= key.length >= minSecretCharacters && hide(key) !== key
    }
    if (!hasSecretKey) return copy ?? value
    return Object.fromEntries(Object.entries(copy ?? value).map(([key, item]) => [hide(key, onFound), item]))
  }
  return <Value>(value: Value, onFound?: (name: string) => void) => {
    const texts = joined && typeof value === 'object' && value !== null ? textsIn(value) : null
    if (texts !== null) {
      const all = texts.join('\0')
      if (all === '' || hide(all) === all) return value
    }
    return within(value, onFound) as Value
  }
}

/** @returns all strings and names of a value that are long enough for a secret; null where it has something that is left out */
function textsIn(value: object, texts: string[] = []): readonly string[] | null {
  const add = (item: unknown): boolean => {
    if (typeof item === 'string') return item.length < minSecretCharacters || texts.push(item) > 0
    return typeof item !== 'object' || item === null || textsIn(item, texts) !== null
  }
  if (Array.isArray(value)) return value.every(add) ? texts : null
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return texts
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') return null
    if (key.length >= minSecretCharacters) texts.push(key)
    if (!add(item)) return null
  }
  return texts
}
