/**
 * The last phase of tidying: updates importance, protection and tier of notes and facts. All entries are read page by page without their
 * text; texts are read only for entries that can become hot or warm, and for those that change.
 *
 * Extracted facts are limited to `coldEntries`: beyond that the lowest-scored ones are removed unless they are confirmed or pinned. Their
 * source messages remain, and undoing the report restores them. Nothing else is ever removed.
 */
import type { MemoryChange, MemoryEntry, MemoryItem } from '../../store/index.ts'
import { entryPages, itemsOf, wholeText } from '../keep/memory-item.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import { fadedImportance, pinTag, protectionNow, scoreOf, type Tiered, tiersOf } from './decay.ts'
import { changeOf, dropOf, type TidyChange } from './tidy-change.ts'
import {
  coldEntries,
  hotEntries,
  leastChange,
  listedAtOnce,
  maxChanges,
  maxDropped,
  maxPruned,
  readAtOnce,
  tierMargin,
  warmEntries,
} from './tidy-limits.ts'

type Deps = Pick<KeepDeps, 'memory' | 'clock'>

export interface PruneLimits {
  /** Maximum number of facts. */
  readonly facts?: number
  /** Multiplies decay rates; 0 disables decay. */
  readonly speed?: number
}

export async function pruneChanges(
  { memory, clock }: Deps,
  { facts = coldEntries, speed = 1 }: PruneLimits = {},
): Promise<readonly TidyChange[]> {
  const now = clock.now()
  const entries = await knownEntries(memory)
  const texts = createTexts(memory)
  const at = { now, speed }
  const tiers = await tiersNow(entries, texts, at)
  const settled = entries.map((entry) => settle(entry, tiers.get(entry.id) ?? 'cold', at))
  const dropped = new Set(surplusFacts(settled, facts, at).map(({ id }) => id))
  const drops = await texts.of(entries.filter(({ id }) => dropped.has(id)))
  const changed = settled.filter(({ entry, after }) => !dropped.has(entry.id) && Object.keys(after).length > 0).slice(0, maxChanges)
  const textById = new Map((await texts.of(changed.map(({ entry }) => entry))).map((item) => [item.entry.id, wholeText(item.passages)]))
  return [
    ...changed.map(({ entry, after }) => changeOf('settled', entry, textById.get(entry.id) ?? '', after)),
    ...drops.map((item) => dropOf(item.entry, wholeText(item.passages))),
  ]
}

/** Notes and facts, newest first, including ended ones. */
async function knownEntries(memory: KeepDeps['memory']): Promise<readonly MemoryEntry[]> {
  const entries: MemoryEntry[] = []
  for await (const page of entryPages(memory, { kinds: ['note', 'fact'] }, listedAtOnce)) {
    entries.push(...page)
    if (entries.length >= maxPruned) break
  }
  return entries
}

/** Whether it can have a tier above cold: also entries that become valid later, but no superseded ones. */
function isCurrent({ supersededBy, validTo }: MemoryEntry, now: number): boolean {
  return supersededBy === '' && (validTo === null || validTo > now)
}

/** Current time and decay speed. */
interface At {
  readonly now: number
  readonly speed: number
}

/** Texts are read only for the highest scores; all other entries are cold. */
async function tiersNow(
  entries: readonly MemoryEntry[],
  texts: Texts,
  { now, speed }: At,
): Promise<ReadonlyMap<string, MemoryEntry['tier']>> {
  const best = entries
    .filter((entry) => isCurrent(entry, now))
    .map((entry) => ({ entry, score: scoreOf(entry, now, speed) }))
    .toSorted((a, b) => b.score - a.score || b.entry.createdAt - a.entry.createdAt)
    .slice(0, hotEntries + warmEntries + tierMargin)
  const items = await texts.of(best.map(({ entry }) => entry))
  const tiered = items.map(({ entry, passages }): Tiered => ({ ...entry, bytes: Buffer.byteLength(wholeText(passages)), holds: true }))
  return tiersOf(tiered, now, speed)
}

type After = Partial<Pick<MemoryEntry, 'protection' | 'importance' | 'tier'>>

interface Settled {
  readonly entry: MemoryEntry
  readonly after: After
}

function settle(entry: MemoryEntry, tier: MemoryEntry['tier'], { now, speed }: At): Settled {
  // Ended entries are only found "as of" a date; they do not fade.
  if (!isCurrent(entry, now)) return { entry, after: entry.tier === 'cold' ? {} : { tier: 'cold' } }
  const protection = protectionNow(entry, now)
  const importance = fadedImportance({ ...entry, protection }, now, speed)
  const after = {
    ...(protection !== entry.protection && { protection }),
    ...(Math.abs(importance - entry.importance) > leastChange && { importance }),
    ...(tier !== entry.tier && { tier }),
  }
  return { entry, after }
}

/** @returns facts over the limit that can be removed: ended ones first, then by lowest score. */
function surplusFacts(settled: readonly Settled[], maxFacts: number, { now, speed }: At): readonly MemoryEntry[] {
  const facts = settled.filter(({ entry }) => entry.kind === 'fact')
  if (facts.length <= maxFacts) return []
  return facts
    .filter(({ entry, after }) => mayGo({ ...entry, ...after }))
    .map(({ entry }) => ({ entry, score: isCurrent(entry, now) ? scoreOf(entry, now, speed) : -1 }))
    .toSorted((a, b) => a.score - b.score || a.entry.createdAt - b.entry.createdAt)
    .slice(0, Math.min(maxDropped, facts.length - maxFacts))
    .map(({ entry }) => entry)
}

function mayGo({ tier, protection, confirmedBy, tags }: MemoryEntry): boolean {
  return tier === 'cold' && protection === 'none' && confirmedBy.length === 0 && !tags.includes(pinTag)
}

/** Reads each item once, in batches. */
interface Texts {
  of(entries: readonly MemoryEntry[]): Promise<readonly MemoryItem[]>
}

function createTexts(memory: KeepDeps['memory']): Texts {
  const held = new Map<string, MemoryItem>()
  return {
    async of(entries) {
      const missing = entries.filter(({ id }) => !held.has(id))
      for (const item of await itemsOf(memory, missing, readAtOnce)) held.set(item.entry.id, item)
      return entries.flatMap(({ id }) => held.get(id) ?? [])
    },
  }
}

export function changesOf(changes: readonly TidyChange[]): readonly MemoryChange[] {
  return changes.map(({ kind, id, after }) => (kind === 'dropped' ? { change: 'erase', id } : { change: 'patch', id, patch: after }))
}
