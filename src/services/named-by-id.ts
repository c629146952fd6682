/** What a person or a model names by its id, or by the beginning of it. */
import { OxbowError } from '../base/index.ts'

/** A shorter beginning of an id says little. */
const minPrefix = 4

/**
 * @param ref a whole id, or its beginning @param what they are, for people: `plans`
 * @returns the one that it names; undefined: none @throws OxbowError `bad_input` for a beginning of several ids
 */
export function namedById<Item extends { readonly id: string }>(all: readonly Item[], ref: string, what: string): Item | undefined {
  const exact = all.find(({ id }) => id === ref)
  if (exact !== undefined || ref.length < minPrefix) return exact
  const found = all.filter(({ id }) => id.startsWith(ref))
  if (found.length <= 1) return found[0]
  throw new OxbowError('bad_input', `${ref} could be any of ${found.length} ${what}.`, { hint: 'Write more of its id.' })
}
