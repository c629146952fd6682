/**
 * Memory types and decay: how quickly an entry fades depends on its type, its accesses and its protection. Patterns in English and Korean
 * guess the type of a note; a wrong guess only costs a little rank.
 */
import type { MemoryEntry, MemoryTier, MemoryType, Protection } from '../../store/index.ts'
import { extraOf } from '../keep/memory-item.ts'
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

/** Entries with this tag never fade. */
export const pinTag = 'pinned'

/** Initial protection of a person's own notes. */
export const personProtection: Protection = 'medium'
/** Weakest first. */
export const protections: readonly Protection[] = ['none', 'low', 'medium', 'high', 'permanent']
const held: Readonly<Record<Protection, number>> = { none: 1, low: 0.5, medium: 0.2, high: 0.05, permanent: 0 }
/** Accesses, and distinct sessions, at which an entry gains low, medium and high protection. One long session alone does not show lasting interest. */
const gainedAt = [2, 3, 5] as const
const gainedIn = [2, 2, 3] as const

type Faded = Pick<MemoryEntry, 'type' | 'accesses' | 'accessedAt' | 'createdAt' | 'protection'>

const hourMs = 3_600_000

function sinceMs({ accessedAt, createdAt }: Pick<MemoryEntry, 'accessedAt' | 'createdAt'>, now: number): number {
  return Math.max(0, now - Math.max(accessedAt, createdAt))
}

/**
 * @param speed multiplies the decay rate: 0 disables decay
 * @returns 0 to 1: the part left since the last access; 1 for permanent entries. Never grows with time.
 */
export function retention(entry: Faded, now: number, speed = 1): number {
  const { rate } = fading[entry.type]
  return Math.exp(((-rate * speed * held[entry.protection]) / (1 + Math.log1p(entry.accesses))) * (sinceMs(entry, now) / hourMs))
}

/** @returns current importance. An access restores half of what was lost, and all of it for the best match. */
export function fadedImportance(entry: Faded, now: number, speed = 1): number {
  return Math.max(leastImportance, fading[entry.type].importance * retention(entry, now, speed))
}

/**
 * Protection grows with accesses (2, 3, 5: low, medium, high) and sessions (2, 3: medium, high). Corrections and entries that a person
 * confirmed are high, pins and profile facts permanent, a person's notes medium at first. Untrusted entries cannot be pinned. Each 30 days
 * without an access take one level away, three at most.
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
  // Unpinning keeps protection that was gained otherwise.
  const gained = gainedAt.filter((accesses, step) => entry.accesses >= accesses || entry.sessions >= gainedIn[step]!).length
  const corrected = trusted && (entry.corrects || entry.confirmedBy.length > 0) ? 3 : 0
  const noted = trusted && entry.byPerson ? protections.indexOf(personProtection) : 0
  const steps = Math.min(maxStepsDown, Math.floor(sinceMs(entry, now) / (staleDays * 24 * hourMs)))
  return protections[Math.max(0, Math.max(gained, corrected, noted) - steps)] ?? 'none'
}

/** `protectionOf` for a stored entry, whose `extra` has what it superseded and the sessions that accessed it. */
export function protectionNow(entry: MemoryEntry, now: number): Protection {
  const { supersedes = [], sessions = [] } = extraOf(entry)
  const byPerson = entry.kind === 'note' && entry.author === 'user'
  return protectionOf({ ...entry, byPerson, corrects: supersedes.length > 0, sessions: new Set(sessions).size }, now)
}

/** Score by which entries become hot: importance, raised by accesses. */
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

/** Kinds that can be hot: knowledge, not conversation. */
const lasting: ReadonlySet<MemoryEntry['kind']> = new Set(['note', 'fact'])

/** @returns the tier of each entry: the best are hot up to the limits, the next warm, the rest cold. Ties go to the newer entry. */
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

interface Fading {
  /** Initial importance, 0 to 1. */
  readonly importance: number
  /** Per hour. */
  readonly rate: number
}

export const fading: Readonly<Record<MemoryType, Fading>> = {
  user_profile: { importance: 0.95, rate: 0.001 },
  preference: { importance: 0.9, rate: 0.002 },
  decision: { importance: 0.8, rate: 0.005 },
  knowledge: { importance: 0.75, rate: 0.006 },
  skill: { importance: 0.75, rate: 0.008 },
  fact: { importance: 0.6, rate: 0.015 },
  episode: { importance: 0.5, rate: 0.025 },
  session: { importance: 0.4, rate: 0.04 },
  conversation: { importance: 0.35, rate: 0.06 },
}

export const memoryTypes: readonly MemoryType[] = Object.keys(fading) as MemoryType[]

/** Initial importance, 0 to 1. */
export function baseImportance(type: MemoryType): number {
  return fading[type].importance
}

/** The first match decides. */
const patterns: readonly (readonly [MemoryType, RegExp])[] = [
  [
    'user_profile',
    /\b(?:my|the user'?s|user'?s|(?:his|her|their)) (?:full |first |last |nick)?(?:name|birthday|age|job|role|employer|address|phone|e-?mail|wife|husband|partner|son|daughter|home ?town|time ?zone|native language)\b|\b(?:i am|i'm|the user is|user is) (?:a|an|the|from|living|based|married|allergic)\b|\b(?:i|the user|user) (?:live|lives|work|works) (?:in|at|for|as)\b|(?:내|제|저의|나의|사용자의?) ?(?:이름|생일|나이|직업|직장|주소|전화번호|이메일|가족)|(?:저는|나는|사용자는) .{1,40}(?:입니다|이에요|예요|이다|삽니다|살아요|살고)/iu,
  ],
  [
    'preference',
    /\b(?:prefers?|likes?|loves?|hates?|dislikes?|favou?rites?|would rather|always wants?|never wants?|please (?:always|never)|doesn'?t (?:like|want)|do(?:es)? not (?:like|want))\b|(?:좋아|싫어|선호|원해|원하|취향|항상 .{0,20}(?:해|써)|절대 .{0,20}(?:하지|쓰지))/iu,
  ],
  [
    'decision',
    /\b(?:decided|decision|agreed (?:to|on|that)|we(?:'ll| will) (?:use|go with|adopt)|chose|chosen|settled on|approved|going with|ruled out)\b|(?:결정|하기로 (?:했|함|하였)|채택|합의|확정)/iu,
  ],
  [
    'skill',
    /\b(?:how to|to (?:build|deploy|run|install|release|fix|test) .{1,60}(?:run|use|call|type|first)|steps?:|procedure|workflow|recipe|the trick is|works by)\b|(?:방법|절차|하려면|순서는|하는 법)/iu,
  ],
  [
    'episode',
    /\b(?:yesterday|last (?:night|week|month|year)|today|this morning|on \d{4}-\d\d-\d\d|happened|went to|met with)\b|(?:어제|오늘|지난 ?(?:주|달|해|밤)|작년|만났|있었던)/iu,
  ],
  [
    'knowledge',
    /\b(?:means|is defined as|stands for|refers to|is (?:a|an) (?:kind|type|form) of|documentation|api|endpoint|according to)\b|(?:의미|뜻은|정의|란 |이란 )/iu,
  ],
]

/** Only the beginning of a long text is matched. */
const lookedAt = 400

export function typeOf(text: string): MemoryType {
  // Phones write a typographic apostrophe.
  const head = text.slice(0, lookedAt).replaceAll('’', "'")
  return patterns.find(([, pattern]) => pattern.test(head))?.[0] ?? 'fact'
}
