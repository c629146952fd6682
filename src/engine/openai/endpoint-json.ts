/** Reading of JSON that an endpoint sent: nothing about it is trusted, neither its types nor its depth. */
import type { Json, JsonObject } from '../../types/index.ts'
import { sealedJsonDepth } from '../limits.ts'

/** @returns the fields of an object; of anything else none. */
export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** @returns a copy without what lies too deep: text that was parsed may nest deeper than can be written again. */
export function boundedObject(value: object): JsonObject {
  return bounded(value as Json, sealedJsonDepth) as JsonObject
}

function bounded(value: Json, depth: number): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return depth === 0 ? [] : (value as readonly Json[]).map((each) => bounded(each, depth - 1))
  return depth === 0 ? {} : Object.fromEntries(Object.entries(value).map(([name, each]) => [name, bounded(each, depth - 1)]))
}
