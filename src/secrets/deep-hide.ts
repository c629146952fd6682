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
    const texts: string[] = []
    if (joined && typeof value === 'object' && value !== null && gather(value, texts)) {
      const all = texts.join('\0')
      if (all === '' || hide(all) === all) return value
    }
    return within(value, onFound) as Value
  }
}

/**
 * Adds all strings and names of a value that are long enough for a secret. Without lists of its own: every record of a turn is read so.
 * @returns false where the value has something that is left out
 */
function gather(value: unknown, texts: string[]): boolean {
  if (typeof value === 'string') {
    if (value.length >= minSecretCharacters) texts.push(value)
    return true
  }
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) {
    for (const item of value) if (!gather(item, texts)) return false
    return true
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return true
  for (const key in value) {
    if (key === '__proto__') return false
    if (key.length >= minSecretCharacters) texts.push(key)
    if (!gather(ownValue(value as Record<string, unknown>, key), texts)) return false
  }
  return true
}
