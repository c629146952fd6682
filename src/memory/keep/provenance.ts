/**
 * Where an entry comes from: the call and the journal record that created it, the labels of its author, and later corrections.
 */
import { OxbowError } from '../../base/index.ts'
import { type MemoryEntry, type MemoryItem, parseErased, personaPrefix } from '../../store/index.ts'
import { type CallContext, type DataOrigin, type JournalRecord, type Label, originOf as dataOrigin } from '../../protocol/index.ts'
import { heldLabels } from './message-record.ts'
import type { KeepDeps } from './exclusive-writer.ts'
import type { Provenance, RecordOf, Related } from '../memory-schemas.ts'
import { type EntryExtra, extraOf, holdsAt, wholeText } from './memory-item.ts'

/** @param persona of whoever asks: what is related to it is shown as far as it is recalled; see `reachOf` */
export async function explain(
  deps: Pick<KeepDeps, 'store' | 'memory' | 'clock'>,
  { entry, passages }: MemoryItem,
  persona?: string,
): Promise<Provenance> {
  const related = (ids: readonly string[]): Promise<readonly Related[]> => relatedTo(deps, ids, persona)
  const extra = extraOf(entry)
  const [there, supersededBy, supersedes, contradicts, confirmedBy] = await Promise.all([
    recordAt(deps, entry.seq),
    related(entry.supersededBy === '' ? [] : [entry.supersededBy]),
    related(extra.supersedes ?? []),
    related(entry.contradicts),
    related(entry.confirmedBy),
  ])
  const record = there !== null && isOf(there, entry, extra) ? there : null
  return {
    id: entry.id,
    kind: entry.kind,
    type: entry.type,
    text: wholeText(passages),
    tags: entry.tags,
    labels: entry.labels,
    importance: entry.importance,
    tier: entry.tier,
    protection: entry.protection,
    accesses: entry.accesses,
    created_at: entry.createdAt,
    updated_at: entry.updatedAt,
    valid_from: entry.validFrom,
    valid_to: entry.validTo,
    holds: holdsAt(entry, deps.clock.now()),
    by: {
      actor: extra.actor ?? record?.actor ?? '',
      session: extra.session ?? record?.session ?? entry.session,
      turn: extra.turn ?? record?.turn ?? '',
      call: extra.call ?? record?.call ?? '',
      author: entry.author,
    },
    record: record === null ? null : describeRecord(record),
    promoted: extra.promoted ?? null,
    superseded_by: supersededBy[0] ?? null,
    supersedes,
    contradicts,
    confirmed_by: confirmedBy,
    ...(extra.by !== undefined && { learned_by: extra.by }),
  }
}

/** The seq of an imported entry refers to another journal. */
function isOf({ call }: JournalRecord, { id }: MemoryEntry, extra: EntryExtra & { readonly from?: unknown }): boolean {
  const named = extra.call ?? /^message:([^:]+)/.exec(typeof extra.from === 'string' ? extra.from : id)?.[1]
  return named === undefined || named === call
}

function describeRecord({ seq, at, actor, session, turn, call, name, phase, hash, body }: JournalRecord): RecordOf {
  return { seq, at, actor, session, turn, call, name, phase, hash, erased: parseErased(body) !== null }
}

/** An erased memory is named by its id alone. */
async function relatedTo({ memory }: Pick<KeepDeps, 'memory'>, ids: readonly string[], persona?: string): Promise<readonly Related[]> {
  const items = ids.length === 0 ? [] : await memory.items(ids)
  const known = items.filter(({ entry }) => mayRecall(entry.author, persona))
  const texts = new Map(known.map(({ entry, passages }) => [entry.id, wholeText(passages)]))
  return ids.map((id) => ({ id, text: texts.get(id) ?? '' }))
}

export interface Origin {
  /** Seq of the intent; 0 if not found. */
  readonly seq: number
  /** Empty for a person; for an agent, all labels of its context; for a plugin `untrusted` as well. */
  readonly labels: readonly Label[]
  readonly extra: { readonly call: string; readonly actor: string; readonly session: string; readonly turn: string }
}

/** Who a memory is by: a person, an agent, `persona:KEY` if only that persona recalls it, or `plugin:NAME`. */
export function authorOf({ caller }: Pick<CallContext, 'caller'>): string {
  const { actor } = caller
  if (isByPlugin(actor)) return actor
  return actor.startsWith('agent:') ? personaOf(caller) || 'agent' : 'user'
}

type Viewer = Pick<CallContext['caller'], 'actor' | 'audience' | 'persona'>

/** @returns the persona as which an agent notes and recalls, as an author; empty: as none */
function personaOf({ actor, persona = '' }: Viewer): string {
  return persona === '' || !actor.startsWith('agent:') ? '' : `${personaPrefix}${persona}`
}

/**
 * What of the memories of personas a caller reaches, for a filter: a persona its own, the person all (`undefined`), and nobody else
 * any, be it an agent, a plugin or a program with a key.
 */
export function reachOf(caller: Viewer): { readonly persona?: string } {
  return caller.actor.startsWith('user:') && caller.audience === 'terminal' ? {} : { persona: personaOf(caller) }
}

/** @param persona of the filter of whoever asks */
export function mayRecall(author: string, persona: string | undefined): boolean {
  return persona === undefined || author === persona || !author.startsWith(personaPrefix)
}

/** @throws OxbowError `not_found` where the caller does not know of the memory, `denied` for what another space shares, and for a persona that changes what is not its own */
export function assertReached({ id, author }: Pick<MemoryEntry, 'id' | 'author'>, caller: Viewer, changes: boolean): void {
  if (!mayRecall(author, reachOf(caller).persona)) throw noMemory(id)
  if (changes && isByOtherSpace(author))
    throw new OxbowError('denied', `${id} is a copy of what the space ${author.slice(spacePrefix.length)} shares, to be read only.`, {
      hint: 'Change it there and share it again, or note here what is true (memory_save).',
    })
  const own = personaOf(caller)
  if (!changes || own === '' || author === own) return
  throw new OxbowError('denied', `${id} is no note of this persona, which changes only its own.`, {
    hint: 'Note what is true now (memory_save), or ask the person to change it.',
  })
}

/** @returns what is thrown for an id that there is not, or not for this caller */
export function noMemory(id: string): OxbowError {
  return new OxbowError('not_found', `There is no memory ${JSON.stringify(id.slice(0, 100))}.`, {
    hint: 'A search gives the ids (memory_search, oxbow memory search); it may have been forgotten.',
  })
}

/** @param author of a memory, or the actor of a call */
export function isByPlugin(author: string): boolean {
  return author.startsWith('plugin:')
}

/**
 * Whether a memory of one may count as one of the other: plugins and personas learn nothing of each other, and put nothing into the mouth of
 * anybody else.
 */
export function mayShare(author: string, other: string): boolean {
  return author === other || !(isApart(author) || isApart(other))
}

/** @returns an author whose memories are compared only with each other; empty for all others */
export function apartOf(author: string): string {
  return isApart(author) ? author : ''
}

function isApart(author: string): boolean {
  return isByPlugin(author) || isByOtherSpace(author) || author.startsWith(personaPrefix)
}

/** Author of the copy of a memory that another space shares is `space:NAME`. */
const spacePrefix = 'space:'

function isByOtherSpace(author: string): boolean {
  return author.startsWith(spacePrefix)
}

/**
 * @returns where what is private among these comes from: another space that shares it, or the session in which it was said or noted. By that,
 * what was derived from a shared memory is found again. `call`: what has no such source
 */
export function sourcesOf(
  entries: readonly Pick<MemoryEntry, 'id' | 'author' | 'labels' | 'session' | 'extra'>[],
  call: string,
): readonly DataOrigin[] {
  const from = entries
    .filter(({ labels }) => labels.length > 0)
    .map((entry) => {
      const session = entry.session || extraOf(entry).session
      if (!entry.labels.includes('private')) return dataOrigin('call', call)
      if (isByOtherSpace(entry.author)) return dataOrigin('space', `${entry.author.slice(spacePrefix.length)}/${entry.id}`)
      return session ? dataOrigin('session', session) : dataOrigin('call', call)
    })
  return [...new Set(from)]
}

/** Distinct labels, sorted. */
export function joinedLabels(...lists: readonly (readonly Label[])[]): readonly Label[] {
  return [...new Set(lists.flat())].sort()
}

/** A call that changes something has its intent recorded before it runs. */
export async function originOf({ store }: Pick<KeepDeps, 'store'>, asking: Pick<CallContext, 'id' | 'caller'>): Promise<Origin> {
  const { id, caller } = asking
  const [intent] = await store.records({ call: id, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
  const extra = { call: id, actor: caller.actor, session: caller.session, turn: caller.turn }
  const author = authorOf(asking)
  const held = intent === undefined || author === 'user' ? [] : heldLabels(JSON.parse(intent.body))
  return { seq: intent?.seq ?? 0, labels: isByPlugin(author) ? joinedLabels(held, ['untrusted']) : held, extra }
}

/** @returns null if no record has this seq. Erased bodies are returned as their marks. */
export async function recordAt({ store }: Pick<KeepDeps, 'store'>, seq: number): Promise<JournalRecord | null> {
  if (seq <= 0) return null
  const [record] = await store.records({ after: seq - 1, before: seq + 1, order: 'oldest_first', limit: 1, hydrate: true })
  return record ?? null
}
