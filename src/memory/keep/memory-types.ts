/** What a note is about, told by how it begins to speak: phrases in English and Korean. A rule that is wrong costs a little rank and nothing else. */
import type { MemoryType } from '../../store/index.ts'

interface Fading {
  /** Of a new entry, 0 to 1. */
  readonly importance: number
  /** An hour. */
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

/** Of a new entry, 0 to 1. */
export function baseImportance(type: MemoryType): number {
  return fading[type].importance
}

/** The first that fits decides. */
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

/** A longer text says what it is at its beginning, if at all. */
const lookedAt = 400

export function typeOf(text: string): MemoryType {
  // The apostrophe of a telephone is that of a keyboard.
  const head = text.slice(0, lookedAt).replaceAll('’', "'")
  return patterns.find(([, pattern]) => pattern.test(head))?.[0] ?? 'fact'
}
