/** Saved documents as the calls of a plan see and change them: what the plan has saved, over what there is. */
import { type Documents } from '../../kernel/index.ts'
import { isObject, type Json } from '../../base/index.ts'
import type { PlannedCall } from '../../protocol/index.ts'

export type KeptDocuments = Pick<Documents, 'get' | 'list' | 'change'>

/** What the overlay keeps of one. */
interface Kept {
  readonly version: number
  readonly at: number
  readonly value: Json
}

/** As in the versions: `state/CATEGORY/NAME`. */
export const documentPlace = (category: string, name: string): string => `${category}/${name}`

/** What a person reads of a saved document. */
function textOf(saved: Json): string {
  if (!isObject(saved)) return ''
  const { data = null } = saved
  return typeof data === 'string' ? data : JSON.stringify(data, null, 2)
}

export function plannedDocuments(documents: KeptDocuments, { overlay, newVersion }: PlannedCall, now: number): KeptDocuments {
  const keptOf = (name: string, kept: Json) => {
    const { version, at, value } = kept as unknown as Kept
    return { name, value: value as never, seq: version, at }
  }
  const get: KeptDocuments['get'] = async <Value>(category: string, name: string) => {
    const kept = overlay.get(documentPlace(category, name))
    if (kept === undefined) return documents.get<Value>(category, name)
    return kept === null ? null : keptOf(name, kept)
  }
  return {
    get,
    async list<Value>(category: string, limit: number, after = '') {
      const prefix = documentPlace(category, '')
      const own = new Map([...overlay.below(prefix)].map(([place, kept]) => [place.slice(prefix.length), kept] as const))
      const there = await documents.list<Value>(category, limit + own.size, after)
      const saved = [...own].flatMap(([name, kept]) => (kept === null || name <= after || name.includes('/') ? [] : [keptOf(name, kept)]))
      const all = [...there.filter(({ name }) => !own.has(name)), ...saved]
      return all.sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, limit)
    },
    async change<Value>(
      _of: unknown,
      category: string,
      name: string,
      next: (
        current: { readonly name: string; readonly value: Value; readonly seq: number; readonly at: number } | null,
      ) => Value | null | undefined,
    ) {
      const current = await get<Value>(category, name)
      const value = next(current)
      if (value === undefined) return current?.value ?? null
      const was = (await documents.get(category, name))?.value ?? null
      const shown = { before: textOf(was), after: textOf(value as Json) }
      const kept = value === null ? null : ({ version: newVersion(), at: now, value: value as Json } satisfies Kept)
      overlay.put(documentPlace(category, name), kept, shown)
      return value
    },
  }
}
