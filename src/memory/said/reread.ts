/** What was not said but written (notes, facts, documents, summaries) is made findable anew: its words are read again, its texts stay. */
import type { MemoryChange, MemoryItem } from '../../store/index.ts'
import type { KeepDeps } from '../keep/keep-item.ts'
import { forgetItems } from '../keep/keep-limits.ts'

/** @returns how many were read */
export async function rereadWritten(deps: KeepDeps, signal: AbortSignal): Promise<number> {
  const { memory } = deps
  const text = await deps.text()
  let found = 0
  for (let after: { createdAt: number; id: string } | undefined; ;) {
    signal.throwIfAborted()
    const page = await memory.list({ kinds: ['note', 'fact', 'document', 'summary'] }, forgetItems, after)
    const items = await Promise.all(
      (await memory.items(page.map(({ id }) => id))).map(async ({ entry, passages }): Promise<MemoryItem> => {
        const terms = await Promise.all(passages.map((passage) => text.terms(passage.text)))
        return { entry, passages: passages.map((passage, i) => ({ ...passage, terms: terms[i]! })) }
      }),
    )
    if (items.length > 0) await memory.change(items.map((item): MemoryChange => ({ change: 'put', item })))
    deps.changed({ put: items.map(({ entry }) => entry) })
    found += items.length
    const last = page.at(-1)
    if (last === undefined || page.length < forgetItems) return found
    after = { createdAt: last.createdAt, id: last.id }
  }
}
