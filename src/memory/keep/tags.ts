/** Tags: trimmed, lower case, distinct, sorted. */
import { OxbowError } from '../../types/index.ts'
import { maxTagCharacters, maxTags } from './keep-limits.ts'

/** As a tag is kept, and looked for. */
export function cleanTag(tag: string): string {
  return tag.normalize('NFC').trim().toLowerCase()
}

/** @throws OxbowError `bad_input` for too many or too long ones; empty ones are left out */
export function cleanTags(tags: readonly string[]): readonly string[] {
  const clean = [...new Set(tags.map(cleanTag).filter((tag) => tag !== ''))].sort()
  if (clean.length > maxTags) {
    throw new OxbowError('bad_input', `${clean.length} tags are too many; ${maxTags} is the most.`, {
      hint: 'Keep the few that you would search by.',
    })
  }
  const long = clean.find((tag) => tag.length > maxTagCharacters)
  if (long === undefined) return clean
  throw new OxbowError('bad_input', `A tag has ${long.length} characters; ${maxTagCharacters} is the most.`, {
    hint: 'A tag is a word or two.',
  })
}
