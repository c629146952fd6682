/** What was recalled, in words. */
import type { Recalled } from './recalled.ts'

/** One memory as a model reads it: what it is, how old, who said it, whether it may be trusted. */
export function describeRecalled({ id, text, passage: { entry }, holds }: Recalled, now: number): string {
  const marks = [
    sourceOf(entry),
    ageOf(now - entry.createdAt),
    ...(entry.tags.length > 0 ? [`tags: ${entry.tags.join(', ')}`] : []),
    ...(entry.labels.includes('untrusted') ? ['untrusted'] : []),
    ...(holds ? [] : [entry.supersededBy === '' ? 'holds no longer' : `superseded by ${entry.supersededBy}`]),
    ...(entry.contradicts.length > 0 ? [`contradicted by ${entry.contradicts[0]}`] : []),
  ]
  // Only what can be rewritten is named: an id costs as much as a sentence.
  const name = entry.kind === 'note' || entry.kind === 'fact' ? `[${id}] ` : ''
  return `${name}${marks.join('; ')}\n${text}`
}

function sourceOf({ kind, author }: { readonly kind: string; readonly author: string }): string {
  if (kind === 'message') return author === 'user' ? 'the person said' : 'you said'
  if (kind === 'document') return `document ${author}`
  return kind === 'note' ? `note by ${author === 'user' ? 'the person' : 'you'}` : kind
}

const minute = 60_000
const units = [
  ['year', 365 * 24 * 60 * minute],
  ['month', 30 * 24 * 60 * minute],
  ['day', 24 * 60 * minute],
  ['hour', 60 * minute],
  ['minute', minute],
] as const

function ageOf(ms: number): string {
  for (const [name, length] of units) {
    const count = Math.floor(ms / length)
    if (count >= 1) return `${count} ${name}${count === 1 ? '' : 's'} ago`
  }
  return 'just now'
}
