/** Notes: durable facts that a person or an agent writes down. Each is one entry; each change is one commit. */
import type { MemoryChange, MemoryEntry, MemoryItem } from '../../store/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { Caller, Label } from '../../protocol/index.ts'
import { type EntryExtra, extraOf, freshFacts, makeItem, wholeText } from './memory-item.ts'
import { type Asking, changeNoted, type KeepDeps } from './exclusive-writer.ts'
import { maxNoteCharacters, maxTags, writeBatch } from './keep-limits.ts'
import { baseImportance, personProtection, pinTag, typeOf } from '../tidy/decay.ts'
import { cleanTags, noteIdOf, secretIn } from './note-rules.ts'
import { assertReached, authorOf, isByPlugin, joinedLabels, mayShare, noMemory, type Origin, originOf } from './provenance.ts'

export interface SavedNote {
  readonly id: string
  /** False: an identical note existed; only tags were added. */
  readonly fresh: boolean
}

export interface Notes {
  /** @throws OxbowError `bad_input` for an empty text, one that is too long, or one that looks like a secret */
  save(note: { readonly content: string; readonly tags: readonly string[] }, asking: Asking, more?: NewNote): Promise<SavedNote>
  /** Replaces text and tags in one commit; id and creation time stay. @throws OxbowError `not_found`, `bad_input` */
  update(id: string, note: { readonly content: string; readonly tags: readonly string[] | null }, asking: Asking): Promise<void>
  /** @throws OxbowError `not_found` */
  remove(id: string, asking: Asking): Promise<void>
  /** Takes a tag from all entries that have it. @returns how many */
  untag(tag: string): Promise<number>
  /** Any entry. @throws OxbowError `not_found` */
  find(id: string): Promise<MemoryItem>
  /** Call before anything is told of a memory, or changed in it. @throws OxbowError `not_found`, `denied` for what the caller does not reach */
  assertReached(ids: readonly string[], caller: Caller, changes: boolean): Promise<void>
}

/** Options of a note that a correction creates. */
export interface NewNote {
  readonly type?: MemoryEntry['type']
  readonly validFrom?: number
  readonly supersedes?: readonly string[]
  readonly protection?: MemoryEntry['protection']
  readonly labels?: readonly Label[]
}

export function createNotes(deps: KeepDeps): Notes {
  const { memory, clock } = deps
  const find: Notes['find'] = async (id) => {
    const [item] = await memory.items([id])
    if (item !== undefined) return item
    throw noMemory(id)
  }
  const findNote = async (id: string): Promise<MemoryItem> => {
    const item = await find(id)
    if (item.entry.kind === 'note' || item.entry.kind === 'fact') return item
    throw new OxbowError('bad_input', `${id} is a ${item.entry.kind} and no note.`, {
      hint: 'Only notes are rewritten. What was said is forgotten (memory_forget, oxbow memory forget); a document is ingested again.',
    })
  }
  return {
    find,
    save: (note, asking, more = {}) => saveNote(deps, note, asking, more),
    async update(id, { content, tags }, asking) {
      const text = cleanNote(content)
      const origin = await originOf(deps, asking)
      // Exclusive: a concurrent correction or erasure would be undone.
      const item = await deps.writer.run(async (exclusive) => {
        const { entry: before } = await findNote(id)
        const made = await makeItem(deps, {
          entry: rewritten(before, { text, tags, origin, asking, now: clock.now() }),
          text,
          format: 'markdown',
          before: '',
        })
        await changeNoted(exclusive, [{ change: 'put', item: made }], asking)
        return made
      })
      deps.changed({ put: [item.entry] })
    },
    async remove(id, asking) {
      const { entry } = await findNote(id)
      await deps.writer.run((exclusive) => changeNoted(exclusive, [{ change: 'erase', id: entry.id }], asking))
      deps.changed({ gone: [entry.id] })
    },
    async assertReached(ids, caller, changes) {
      for (const { entry } of await memory.items(ids)) assertReached(entry, caller, changes)
    },
    untag: (tag) => untag(deps, tag),
  }
}

function rewritten(
  before: MemoryEntry,
  { text, tags, origin, asking, now }: { text: string; tags: readonly string[] | null; origin: Origin; asking: Asking; now: number },
): MemoryEntry {
  return {
    ...before,
    type: typeOf(text),
    // A note that somebody else rewrites is no longer the person's statement.
    author: authorOf(asking) === 'user' ? before.author : authorOf(asking),
    tags: tags === null ? before.tags : tagsBy(asking, tags, before.tags),
    // Rewriting never removes a label.
    labels: joinedLabels(before.labels, origin.labels),
    updatedAt: now,
    seq: origin.seq,
    // The extracted statement belongs to the old text.
    extra: JSON.stringify({ ...extraOf(before), statement: undefined, ...origin.extra }),
  }
}

async function saveNote(
  deps: KeepDeps,
  { content, tags: given }: { readonly content: string; readonly tags: readonly string[] },
  asking: Asking,
  more: NewNote,
): Promise<SavedNote> {
  const { clock } = deps
  const text = cleanNote(content)
  const tags = tagsBy(asking, given)
  const origin = await originOf(deps, asking)
  const now = clock.now()
  const type = more.type ?? typeOf(text)
  const author = authorOf(asking)
  const byPerson = author === 'user'
  const extra: EntryExtra = { ...origin.extra, ...(more.supersedes !== undefined && { supersedes: more.supersedes }) }
  const entry = {
    ...freshFacts,
    id: noteIdOf(asking.id),
    kind: 'note',
    type,
    author,
    tags,
    labels: joinedLabels(origin.labels, more.labels ?? []),
    createdAt: now,
    updatedAt: now,
    validFrom: more.validFrom ?? now,
    importance: baseImportance(type),
    protection: more.protection ?? (byPerson ? personProtection : 'none'),
    accessedAt: now,
    seq: origin.seq,
    extra: JSON.stringify(extra),
  } as const
  const item = await makeItem(deps, { entry, text, format: 'markdown', before: '' })
  // Exclusive: the same note may be saved, or a tag forgotten, concurrently.
  const known = await deps.writer.run(async (exclusive) => {
    const same = more.supersedes === undefined ? await sameNote(deps, item) : null
    const change = same === null ? ({ change: 'put', item } as const) : withTags(same, item.entry)
    if (change !== null) await changeNoted(exclusive, [change], asking)
    return same
  })
  if (known !== null) return { id: known.id, fresh: false }
  deps.changed({ put: [item.entry] })
  return { id: item.entry.id, fresh: true }
}

/** A plugin neither pins, nor writes among the memories of another plugin, whose tag says whose they are. @param before stay as they are */
function tagsBy(asking: Asking, tags: readonly string[], before: readonly string[] = []): readonly string[] {
  const { actor } = asking.caller
  const clean = cleanTags(tags)
  if (!isByPlugin(actor)) return clean
  const own = `plugin.${actor.slice('plugin:'.length)}`
  return clean.filter((tag) => tag === own || before.includes(tag) || !(tag === pinTag || tag.startsWith('plugin.')))
}

async function untag({ writer, clock }: KeepDeps, tag: string): Promise<number> {
  for (let count = 0; ;) {
    const found = await writer.run(async (exclusive) => {
      const entries = await exclusive.list({ tags: [tag] }, writeBatch)
      const changes = entries.map(({ id, tags }): MemoryChange => ({
        change: 'patch',
        id,
        patch: { tags: tags.filter((each) => each !== tag), updatedAt: clock.now() },
      }))
      if (changes.length > 0) await exclusive.change(changes)
      return changes.length
    })
    count += found
    if (found < writeBatch) return count
  }
}

/** Tags are text too: untrusted tags are never added to a trusted note. */
function withTags(known: MemoryEntry, { tags, labels, updatedAt }: MemoryEntry): MemoryChange | null {
  const all = [...new Set([...known.tags, ...tags])].sort().slice(0, maxTags)
  const carries = labels.every((label) => known.labels.includes(label))
  return carries && all.length > known.tags.length ? { change: 'patch', id: known.id, patch: { tags: all, updatedAt } } : null
}

/** @throws OxbowError `bad_input` */
function cleanNote(content: string): string {
  const text = content.normalize('NFC').trim()
  const refuse = (message: string, hint: string): OxbowError => new OxbowError('bad_input', message, { hint })
  if (text === '') throw refuse('The note is empty.', 'Write the fact in a sentence.')
  if (text.length > maxNoteCharacters) {
    throw refuse(
      `The note has ${text.length} characters; at most ${maxNoteCharacters} are allowed.`,
      'Note the fact in a sentence or two. A document goes into a file, and into memory by memory.ingest.',
    )
  }
  const secret = secretIn(text)
  if (secret === null) return text
  if (secret === 'handle')
    throw refuse('The note names a secret by its handle.', 'A handle means nothing later. Note what the secret is for, not the secret.')
  throw refuse(
    'The note holds what looks like a key or a password.',
    'Memory is no place for secrets: note where it is kept (e.g. the name of an environment variable).',
  )
}

/** Finds a valid note with the same text. Texts are compared, because an import can claim any hash. */
async function sameNote(
  { memory }: KeepDeps,
  { entry: { author, hash, id, validFrom }, passages }: MemoryItem,
): Promise<MemoryEntry | null> {
  const items = await memory.items(await memory.withHash(hash))
  const words = (each: MemoryItem['passages']): string => wholeText(each).replace(/\s+/gu, ' ')
  const isSame = ({ entry, passages: there }: MemoryItem): boolean =>
    entry.kind === 'note' &&
    mayShare(entry.author, author) &&
    entry.id !== id &&
    entry.supersededBy === '' &&
    entry.validFrom <= validFrom &&
    entry.validTo === null &&
    words(there) === words(passages)
  return items.find(isSame)?.entry ?? null
}
