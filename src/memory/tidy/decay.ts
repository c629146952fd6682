/** How memories fade: by what they are about, how often they were wanted, and how well they are protected. */
import { extraOf } from '../keep/memory-item.ts'
import { fading } from '../keep/memory-types.ts'
import type { MemoryEntry, MemoryTier, Protection } from '../../store/index.ts'
import {
  bytesPerToken,
  hotEntries,
  hotScore,
  hotTokens,
  leastImportance,
  maxStepsDown,
  staleDays,
  warmEntries,
  warmTokens,
} from './tidy-limits.ts'

/** Whoever wears it never fades. */
export const pinTag = 'pinned'

/** Of what a person noted by hand: nobody notes what is not to be kept. */
export const personProtection: Protection = 'medium'
/** From the weakest. */
export const protections: readonly Protection[] = ['none', 'low', 'medium', 'high', 'permanent']
const held: Readonly<Record<Protection, number>> = { none: 1, low: 0.5, medium: 0.2, high: 0.05, permanent: 0 }
/** Accesses, and sessions with one, at which protection is gained: low, medium, high. What one long talk is about is not wanted by others yet. */
const gainedAt = [2, 3, 5] as const
const gainedIn = [2, 2, 3] as const

type Faded = Pick<MemoryEntry, 'type' | 'accesses' | 'accessedAt' | 'createdAt' | 'protection'>

const hourMs = 3_600_000

function sinceMs({ accessedAt, createdAt }: Pick<MemoryEntry, 'accessedAt' | 'createdAt'>, now: number): number {
  return Math.max(0, now - Math.max(accessedAt, createdAt))
}

/**
 * @param speed how quickly memories fade: 1 as the table says, 2 twice as quickly, 0 not at all
 * @returns 0 to 1: how much of it is left since it was last wanted. 1 for what is permanent; never more as time goes by.
 */
export function retention(entry: Faded, now: number, speed = 1): number {
  const { rate } = fading[entry.type]
  return Math.exp(((-rate * speed * held[entry.protection]) / (1 + Math.log1p(entry.accesses))) * (sinceMs(entry, now) / hourMs))
}

/** @returns what its importance is worth now. An access brings back half of what was lost, and up to all of it for the best match. */
export function fadedImportance(entry: Faded, now: number, speed = 1): number {
  return Math.max(leastImportance, fading[entry.type].importance * retention(entry, now, speed))
}

/**
 * Protection is gained by being wanted (2, 3, 5 accesses: low, medium, high; or in 2 and 3 sessions: medium, high), by being a correction or
 * confirmed by a person (high), and by a pin or by telling who the person is (permanent). What a person noted begins with medium. Others
 * cannot pin what they wrote. It is lost by a step for each 30 days without an access, three at the most.
 */
export function protectionOf(
  entry: Faded &
    Pick<MemoryEntry, 'tags' | 'confirmedBy' | 'labels'> & {
      readonly corrects: boolean
      readonly sessions: number
      readonly byPerson: boolean
    },
  now: number,
): Protection {
  const trusted = !entry.labels.includes('untrusted')
  if (trusted && (entry.tags.includes(pinTag) || entry.type === 'user_profile')) return 'permanent'
  // A pin that was taken off leaves what was gained otherwise.
  const gained = gainedAt.filter((accesses, step) => entry.accesses >= accesses || entry.sessions >= gainedIn[step]!).length
  const corrected = trusted && (entry.corrects || entry.confirmedBy.length > 0) ? 3 : 0
  const noted = trusted && entry.byPerson ? protections.indexOf(personProtection) : 0
  const steps = Math.min(maxStepsDown, Math.floor(sinceMs(entry, now) / (staleDays * 24 * hourMs)))
  return protections[Math.max(0, Math.max(gained, corrected, noted) - steps)] ?? 'none'
}

/** The same of an entry as it is kept: what it took the place of, and the sessions that wanted it, stand in its `extra`. */
export function protectionNow(entry: MemoryEntry, now: number): Protection {
  const { supersedes = [], sessions = [] } = extraOf(entry)
  const byPerson = entry.kind === 'note' && entry.author === 'user'
  return protectionOf({ ...entry, byPerson, corrects: supersedes.length > 0, sessions: new Set(sessions).size }, now)
}

/** What an entry has to be shown in every context: more the more it matters and the more often it was wanted. */
export function scoreOf(entry: Faded, now: number, speed = 1): number {
  return fadedImportance(entry, now, speed) * (1 + Math.log1p(entry.accesses) / 4)
}

export interface Tiered extends Faded {
  readonly id: string
  readonly kind: MemoryEntry['kind']
  /** UTF-8 bytes of its text. */
  readonly bytes: number
  readonly holds: boolean
}

/** What is worth a place in every context: what is known, not what was said. */
const lasting: ReadonlySet<MemoryEntry['kind']> = new Set(['note', 'fact'])

/** @returns the tier of each: the best are hot while there is room, the next warm, the rest cold. Equal scores: the newer first. */
export function tiersOf(entries: readonly Tiered[], now: number, speed = 1): ReadonlyMap<string, MemoryTier> {
  const scored = entries.map((entry) => ({ entry, score: scoreOf(entry, now, speed) }))
  scored.sort((a, b) => b.score - a.score || b.entry.createdAt - a.entry.createdAt || (a.entry.id < b.entry.id ? -1 : 1))
  const room: { readonly tier: MemoryTier; entries: number; tokens: number }[] = [
    { tier: 'hot', entries: hotEntries, tokens: hotTokens },
    { tier: 'warm', entries: warmEntries, tokens: warmTokens },
  ]
  const tiers = new Map<string, MemoryTier>()
  for (const { entry, score } of scored) {
    const tokens = Math.ceil(entry.bytes / bytesPerToken)
    const fits = room.find(({ tier, entries: left, tokens: free }) => {
      const may = tier === 'warm' || (lasting.has(entry.kind) && score >= hotScore)
      return may && entry.holds && left > 0 && tokens <= free
    })
    if (fits !== undefined) {
      fits.entries--
      fits.tokens -= tokens
    }
    tiers.set(entry.id, fits?.tier ?? 'cold')
  }
  return tiers
}
