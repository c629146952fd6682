/** Notes as the calls of a plan see and change them: what the plan has noted, over what is in memory. */
import { type Memory, wholeText } from '../../memory/index.ts'
import { isOxbowError, type Json, OxbowError } from '../../base/index.ts'
import type { Caller, PlannedCall } from '../../protocol/index.ts'
import { assertReached } from './call-facts.ts'

const prefix = 'note/'
const notePlace = (id: string): string => `${prefix}${id}`

/** A note of the plan, or as the plan has rewritten it. */
export interface PlannedNote {
  readonly text: string
  readonly tags: readonly string[]
}

/** @returns the note as the plan has it @throws OxbowError `not_found` */
export async function plannedNote(memory: Memory, { overlay }: PlannedCall, id: string, caller: Caller): Promise<PlannedNote> {
  const kept = overlay.get(notePlace(id))
  if (kept === undefined) {
    await assertReached(memory, caller, [id])
    const { entry, passages } = await (await memory.notes()).find(id)
    return { text: wholeText(passages), tags: entry.tags }
  }
  if (kept !== null) return kept as unknown as PlannedNote
  throw new OxbowError('not_found', `There is no memory ${JSON.stringify(id.slice(0, 100))}.`, { hint: 'The plan has removed it.' })
}

/** @param note null: it is removed */
export async function putNote(memory: Memory, plan: PlannedCall, id: string, note: PlannedNote | null): Promise<void> {
  const kept = plan.overlay.get(notePlace(id))
  const was = kept === undefined ? await textOutside(memory, id) : ((kept as unknown as PlannedNote | null)?.text ?? '')
  plan.overlay.put(notePlace(id), note as unknown as Json, { before: was, after: note?.text ?? '' })
}

async function textOutside(memory: Memory, id: string): Promise<string> {
  try {
    return wholeText((await (await memory.notes()).find(id)).passages)
  } catch (error) {
    if (isOxbowError(error, 'not_found')) return ''
    throw error
  }
}

/** What a plan that names the note was made on. */
export async function noteBasis(memory: Memory, id: string): Promise<Readonly<Record<string, string>>> {
  try {
    const { entry } = await (await memory.notes()).find(id)
    return { [notePlace(id)]: `${entry.updatedAt}` }
  } catch (error) {
    if (isOxbowError(error, 'not_found')) return {}
    throw error
  }
}

/** @returns what the plan has changed of notes, by their ids; null: removed */
export function changedNotes({ overlay }: PlannedCall): ReadonlyMap<string, PlannedNote | null> {
  return new Map([...overlay.below(prefix)].map(([place, kept]) => [place.slice(prefix.length), kept as unknown as PlannedNote | null]))
}

/** @returns whether a note of the plan has a word of the query and all of the tags */
export function matches({ text, tags }: PlannedNote, query: string, wanted: readonly string[]): boolean {
  const words = query.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? []
  return wanted.every((tag) => tags.includes(tag)) && words.some((word) => text.toLowerCase().includes(word))
}
