/** Corrections: one memory supersedes, contradicts or confirms another. No correction loses data. */
import type { MemoryChange, MemoryEntry, MemoryPatch } from '../../store/index.ts'
import { OxbowError } from '../../base/index.ts'
import { extraOf } from './memory-item.ts'
import { type Asking, changeNoted, type KeepDeps } from './exclusive-writer.ts'
import { maxRelations } from './keep-limits.ts'
import type { Notes } from './notes.ts'
import { pinTag, protectionNow } from '../tidy/decay.ts'
import { withRelated } from '../tidy/tidy-change.ts'
import { authorOf } from './provenance.ts'
import { cleanTags, noteIdOf } from './note-rules.ts'

export interface Corrections {
  /**
   * Writes what holds from `from` on in place of an entry, which held until then and stays to be found "as of". @throws OxbowError
   * `not_found`, `bad_input` (e.g. it was superseded already)
   */
  supersede(id: string, note: { content: string; tags: readonly string[] | null; from: number | null }, asking: Asking): Promise<string>
  /** Records the contradiction in both entries. @throws OxbowError `not_found`, `bad_input` */
  contradict(id: string, other: string): Promise<void>
  confirm(id: string, other: string | null): Promise<void>
  /**
   * The time in which it holds. Without `to` it has no end, or the one that it was superseded at. @returns its end. @throws OxbowError
   * `not_found`, `bad_input`
   */
  setValid(id: string, from: number | null, to: number | null): Promise<number | null>
  /** Removes the label `untrusted` and records who removed it. @throws OxbowError `not_found` */
  promote(id: string, by: string): Promise<void>
  /** Pins an entry so that it does not fade, or unpins it. @throws OxbowError `not_found`, `bad_input` for a kind that does not fade, or untrusted text */
  pin(id: string, isPinned: boolean): Promise<void>
}

export function createCorrections(deps: KeepDeps, notes: Notes): Corrections {
  const { clock } = deps
  const entryOf = async (id: string): Promise<MemoryEntry> => (await notes.find(id)).entry
  /** Reads and writes exclusively; otherwise concurrent changes or erasures would be undone. */
  const change = (made: () => Promise<readonly MemoryChange[]>): Promise<void> =>
    deps.writer.run(async (memory) => memory.change(await made()))
  return {
    async supersede(id, { content, tags, from }, asking) {
      const before = await entryOf(id)
      const own = noteIdOf(asking.id)
      if (before.supersededBy === own) return own
      if (await hasSuccessor(deps.memory, before)) throw supersededAlready(before)
      const now = clock.now()
      const since = from ?? now
      if (since < before.validFrom && !isUndated(before)) {
        throw new OxbowError('bad_input', `${id} only becomes valid after that date.`, {
          hint: `Give a later date, or none for now. To change its start: memory_valid, oxbow memory edit ${id} --from DATE.`,
        })
      }
      const isPerson = authorOf(asking) === 'user'
      const { id: next } = await notes.save({ content, tags: tags ?? (isPerson ? trustedTags(before) : before.tags) }, asking, {
        validFrom: since,
        supersedes: [id],
        ...(before.kind === 'note' && { type: before.type }),
        // A correction by a person is intended.
        ...(isPerson && { protection: 'high' as const }),
        ...(!isPerson && { labels: before.labels }),
      })
      const validTo = Math.min(since, before.validTo ?? since)
      const validFrom = since < before.validFrom ? sinceEver : before.validFrom
      await takePlace(deps, id, { supersededBy: next, validFrom, validTo, updatedAt: now }, asking)
      return next
    },
    contradict: (id, other) =>
      change(async () => {
        const [a, b] = await pairOf(entryOf, id, other)
        return [contradicted(a, b.id, clock.now()), contradicted(b, a.id, clock.now())]
      }),
    confirm: (id, other) =>
      change(async () => {
        const entry = await entryOf(id)
        const now = clock.now()
        if (other !== null) {
          await entryOf(other)
          return [{ change: 'patch', id, patch: { confirmedBy: withRelated(entry.confirmedBy, other), updatedAt: now } }]
        }
        // A confirmation without another memory counts as one more use.
        return [{ change: 'patch', id, patch: { accesses: entry.accesses + 1, accessedAt: now, updatedAt: now } }]
      }),
    async setValid(id, from, to) {
      let validTo = to
      await change(async () => {
        const entry = await entryOf(id)
        const validFrom = from ?? entry.validFrom
        if (to === null && entry.supersededBy !== '') validTo = entry.validTo
        if (validTo !== null && validTo < validFrom)
          throw new OxbowError('bad_input', 'The end is before the start.', { hint: 'Swap the two dates, or give an earlier start.' })
        return [{ change: 'patch', id, patch: { validFrom, validTo, updatedAt: clock.now() } }]
      })
      return validTo
    },
    promote: (id, by) => change(async () => [promoted(await entryOf(id), by, clock.now())]),
    pin: (id, isPinned) => change(async () => [pinOf(await entryOf(id), isPinned, clock.now())]),
  }
}

/** The start of validity is unknown: it is when the entry was written. */
function isUndated({ validFrom, createdAt }: MemoryEntry): boolean {
  return validFrom === createdAt
}

/** The earliest date there is. */
const sinceEver = -8.64e15

/** When two supersede an entry at once, the second fails and its new entry is removed. */
async function takePlace(
  { writer, changed }: KeepDeps,
  id: string,
  patch: MemoryPatch & { readonly supersededBy: string },
  asking: Asking,
): Promise<void> {
  const { supersededBy: next } = patch
  const other = await writer.run(async (memory) => {
    const entry = (await memory.items([id]))[0]?.entry
    if (entry !== undefined && entry.supersededBy !== next && (await hasSuccessor(memory, entry))) {
      await changeNoted(memory, [{ change: 'erase', id: next }], asking)
      return entry
    }
    // What holds is no longer at odds with it; what has ended says still what it was at odds with.
    const atOdds = await memory.items(entry?.contradicts ?? [])
    const settled = atOdds.map((each): MemoryChange => ({
      change: 'patch',
      id: each.entry.id,
      patch: { contradicts: each.entry.contradicts.filter((one) => one !== id) },
    }))
    await changeNoted(memory, [{ change: 'patch', id, patch }, ...settled], asking)
    return null
  })
  if (other === null) return
  changed({ gone: [next] })
  throw supersededAlready(other)
}

/** Ignores a successor that has been erased. */
async function hasSuccessor(memory: KeepDeps['memory'], { supersededBy }: MemoryEntry): Promise<boolean> {
  return supersededBy !== '' && (await memory.items([supersededBy])).length > 0
}

function supersededAlready({ id, supersededBy }: MemoryEntry): OxbowError {
  return new OxbowError('bad_input', `${id} is already superseded by ${supersededBy}.`, { hint: `Supersede ${supersededBy} instead.` })
}

/** Tags are words, too: what others may have written is no part of what a person says, which is trusted. */
function trustedTags({ tags, labels }: MemoryEntry): readonly string[] {
  return labels.includes('untrusted') ? [] : tags
}

function promoted(entry: MemoryEntry, by: string, at: number): MemoryChange {
  const patch = {
    labels: entry.labels.filter((label) => label !== 'untrusted'),
    extra: JSON.stringify({ ...extraOf(entry), promoted: { by, at } }),
    updatedAt: at,
  }
  return { change: 'patch', id: entry.id, patch }
}

function pinOf(entry: MemoryEntry, isPinned: boolean, now: number): MemoryChange {
  assertPinnable(entry)
  const others = entry.tags.filter((tag) => tag !== pinTag)
  const tags = isPinned ? cleanTags([...others, pinTag]) : others
  return { change: 'patch', id: entry.id, patch: { tags, protection: protectionNow({ ...entry, tags }, now), updatedAt: now } }
}

function assertPinnable({ id, kind, labels }: MemoryEntry): void {
  if (kind !== 'note' && kind !== 'fact') {
    throw new OxbowError('bad_input', `${id} is a ${kind}, which does not fade.`, { hint: 'Pin a note; memory.save makes one.' })
  }
  if (!labels.includes('untrusted')) return
  throw new OxbowError('bad_input', `${id} was written by others, or after reading what others wrote.`, {
    hint: `Check it first: oxbow memory edit ${id} --trust`,
  })
}

async function pairOf(entryOf: (id: string) => Promise<MemoryEntry>, id: string, other: string): Promise<[MemoryEntry, MemoryEntry]> {
  if (id === other) throw new OxbowError('bad_input', 'A memory cannot contradict or confirm itself.', { hint: 'Name two ids.' })
  return [await entryOf(id), await entryOf(other)]
}

function contradicted(entry: MemoryEntry, other: string, updatedAt: number): MemoryChange {
  const contradicts = [...new Set([...entry.contradicts, other])].sort()
  if (contradicts.length > maxRelations) {
    throw new OxbowError('limit_reached', `${entry.id} is already contradicted by ${maxRelations} others.`, {
      hint: 'Supersede it with a correct one.',
    })
  }
  return { change: 'patch', id: entry.id, patch: { contradicts, updatedAt } }
}
