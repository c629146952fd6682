/**
 * What stays in the chain of a body that went to an archive: what its call has spent and which budgets it charged, so that accounts are still
 * compared to the micro-dollar. The record that takes bodies away has them, as `sums`, next to `erases`.
 */
import { isObject, type JsonObject } from '../../base/index.ts'
import type { Charged, Spend } from '../../protocol/index.ts'

export interface Sums {
  readonly spent?: Spend
  readonly charged?: Charged
  readonly ms?: number
}

/** @param body of a record that ends a call @returns null where it has cost nothing */
export function sumsOf({ spent, charged, ms }: JsonObject): JsonObject | null {
  if (spent === undefined && charged === undefined) return null
  return { ...(spent !== undefined && { spent }), ...(charged !== undefined && { charged }), ...(ms !== undefined && { ms }) }
}

/** @param text of a record that says what was erased @returns the sums by record; a record that nobody can read has none */
export function sumsIn(text: string): readonly (readonly [number, Sums])[] {
  if (!text.includes('"sums":[')) return []
  try {
    const { sums } = JSON.parse(text) as { readonly sums?: unknown }
    if (!Array.isArray(sums)) return []
    return sums.filter((entry): entry is [number, Sums] => Array.isArray(entry) && typeof entry[0] === 'number' && isObject(entry[1]))
  } catch {
    return []
  }
}
