/** One text for one JSON value, by which values are compared and digested. */
import { ownValue } from './own-value.ts'
import type { Json } from './text.ts'

/**
 * The fields of each object are in the order of their names, and those without a value are left out: stores and peers may keep them in another order, and do
 * not keep these. What is no value itself is null.
 * @returns the same text for the same value
 */
export function canonicalJson(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value ?? null)
  const fields = value as Readonly<Record<string, Json | undefined>>
  const kept = Object.keys(fields).filter((name) => ownValue(fields, name) !== undefined)
  return `{${kept
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(ownValue(fields, name))}`)
    .join(',')}}`
}
