/** What was not said but written (notes, facts, documents, summaries) is made findable anew: its words are read again, its texts stay. */
import type { MemoryChange, MemoryItem } from '../../store/index.ts'
import type { KeepDeps } from '../keep/keep-item.ts'
import type { TextEngine } from '../text-engine.ts'
import { forgetItems } from '../keep/keep-limits.ts'

/** @returns how many were read */
export async function rereadWritten(deps: KeepDeps, signal: AbortSignal): Promise<number> {
  const { memory } = deps
  const text = await deps.text()
  let found = 0
  for (let after: { createdAt: number; id: string } | undefined; ;) {
    signal.throwIfAborted()
    const { page, items } = await deps.alone(async (alone) => {
      const listed = await memory.list({ kinds: ['note', 'fact', 'document', 'summary'] }, forgetItems, after)
      const read = await Promise.all((await memory.items(listed.map(({ id }) => id))).map((item) => withTerms(item, text)))
      if (read.length > 0) await alone.change(read.map((item): MemoryChange => ({ change: 'put', item })))
      return { page: listed, items: read }
    })
    deps.changed({ put: items.map(({ entry }) => entry) })
    found += items.length
    const last = page.at(-1)
    if (last === undefined || page.length < forgetItems) return found
    after = { createdAt: last.createdAt, id: last.id }
  }
}

async function withTerms({ entry, passages }: MemoryItem, text: TextEngine): Promise<MemoryItem> {
  const terms = await Promise.all(passages.map((passage) => text.terms(passage.text)))
  return { entry, passages: passages.map((passage, i) => ({ ...passage, terms: terms[i]! })) }
}
