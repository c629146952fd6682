/**
 * Notes that plugins made before a note had its plugin as its author: they were stored as the person's, and without a label. The call that wrote a
 * note has always been kept with it, so they can be told apart. What a person has rewritten since is theirs.
 */
import type { MemoryChange, MemoryEntry } from '../../store/index.ts'
import { protectionNow } from '../tidy/decay.ts'
import type { KeepDeps } from './exclusive-writer.ts'
import { listPage, type memoryCursors, writeBatch } from './keep-limits.ts'
import { entryPages, extraOf } from './memory-item.ts'
import { isByPlugin, joinedLabels } from './provenance.ts'

const claimed: (typeof memoryCursors)[number] = 'plugin.notes'

/**
 * Gives these notes their author, and the label `untrusted` where no person has removed it. Reads all notes once in the life of a store; later
 * the cursor tells that it was done.
 *
 * @returns how many notes were changed
 */
export async function claimPluginNotes(deps: KeepDeps): Promise<number> {
  const { memory, store } = deps
  if ((await memory.cursor(claimed)) > 0) return 0
  const { seq } = await store.head()
  let found = 0
  for await (const page of entryPages(memory, { kinds: ['note'] }, listPage)) {
    const ids = page.filter((entry) => byItsPlugin(entry) !== entry).map(({ id }) => id)
    for (let at = 0; at < ids.length; at += writeBatch) found += await claim(deps, ids.slice(at, at + writeBatch))
  }
  await memory.change([{ change: 'cursor', cursor: { name: claimed, seq } }])
  return found
}

async function claim({ writer, clock, changed }: KeepDeps, ids: readonly string[]): Promise<number> {
  const put = await writer.run(async (exclusive) => {
    const now = clock.now()
    const own = (await exclusive.items(ids)).map(({ entry: before, passages }) => {
      const entry = byItsPlugin(before)
      return { entry: { ...entry, protection: protectionNow(entry, now) }, passages }
    })
    await exclusive.change(own.map((item): MemoryChange => ({ change: 'put', item })))
    return own.map(({ entry }) => entry)
  })
  changed({ put })
  return put.length
}

/** @returns the same object where nothing is to be changed; also for a line of an export that an older version has made */
export function byItsPlugin<Note extends Pick<MemoryEntry, 'kind' | 'author' | 'extra'> & { readonly labels: MemoryEntry['labels'] }>(
  note: Note,
): Note {
  const { actor = '', promoted } = extraOf(note)
  if (note.kind !== 'note' || note.author !== 'user' || !isByPlugin(actor)) return note
  return { ...note, author: actor, labels: promoted === undefined ? joinedLabels(note.labels, ['untrusted']) : note.labels }
}
