/** What was not said but written (notes, facts, documents, summaries) is made findable anew: its words are read again, its texts stay. */
import type { MemoryChange, MemoryItem } from '../../store/index.ts'
import { entryPages } from '../entry-pages.ts'
import type { KeepDeps } from '../keep-deps.ts'
import type { TextEngine } from '../text-engine.ts'
import { forgetItems } from '../keep/keep-limits.ts'

/** @returns how many were read */
export async function rereadWritten(deps: KeepDeps, signal: AbortSignal): Promise<number> {
  const { memory } = deps
  const text = await deps.text()
  let found = 0
  for await (const page of entryPages(memory, { kinds: ['note', 'fact', 'document', 'summary'] }, forgetItems)) {
    signal.throwIfAborted()
    const items = await deps.alone(async (alone) => {
      const read = await Promise.all((await memory.items(page.map(({ id }) => id))).map((item) => withTerms(item, text)))
      if (read.length > 0) await alone.change(read.map((item): MemoryChange => ({ change: 'put', item })))
      return read
    })
    deps.changed({ put: items.map(({ entry }) => entry) })
    found += items.length
  }
  return found
}

async function withTerms({ entry, passages }: MemoryItem, text: TextEngine): Promise<MemoryItem> {
  const terms = await Promise.all(passages.map((passage) => text.terms(passage.text)))
  return { entry, passages: passages.map((passage, i) => ({ ...passage, terms: terms[i]! })) }
}
