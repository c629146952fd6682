/** The body of a record, wherever the store keeps it. */
import { parseErased, parseReference, type Store } from '../../store/index.ts'
import type { JournalRecord, JsonObject } from '../../types/index.ts'

/** @returns null for a body that was erased, or is none. */
export async function bodyOf(store: Pick<Store, 'blob'>, { body }: Pick<JournalRecord, 'body'>): Promise<JsonObject | null> {
  if (parseErased(body) !== null) return null
  const kept = parseReference(body)
  const bytes = kept === null ? null : await store.blob(kept.blob)
  const text = kept === null ? body : bytes === null ? '' : Buffer.from(bytes).toString()
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as JsonObject) : null
  } catch {
    return null
  }
}
