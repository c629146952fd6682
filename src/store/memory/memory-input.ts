/**
 * Validates what is stored in memory, and normalises it. Texts keep their characters except NUL and lone surrogates, which databases
 * treat differently: both become U+FFFD. Terms lose ASCII capitals, because one of the indexes does not distinguish them.
 */
import { headOf, OxbowError } from '../../base/index.ts'
import type { MemoryChange, MemoryEntry, MemoryItem, MemoryPatch, MemorySearch, Passage } from '../memory.ts'
import {
  maxChanges,
  maxDims,
  maxExtraChars,
  maxHits,
  maxNameChars,
  maxPassageChars,
  maxPassages,
  maxSearchTerms,
  maxTagChars,
  maxTags,
  maxTermChars,
} from '../limits.ts'

/** Separates tags and the like where they are stored as one text; no tag may contain it. */
export const listSeparator = '\u001f'

function refuse(what: string): never {
  throw new OxbowError('bad_input', `This cannot be stored in memory: ${what}.`, { hint: 'Correct it; nothing was written.' })
}

/** @throws OxbowError `bad_input`. @returns the changes as they are stored */
export function checkedChanges(changes: readonly MemoryChange[]): readonly MemoryChange[] {
  if (changes.length > maxChanges) refuse(`${changes.length} changes at once; the limit is ${maxChanges}`)
  return changes.map(checkedChange)
}

function checkedChange(change: MemoryChange): MemoryChange {
  switch (change.change) {
    case 'put':
      return { change: 'put', item: checkedItem(change.item) }
    case 'patch':
      return { change: 'patch', id: keptText(change.id), patch: checkedPatch(change.patch) }
    case 'erase':
      return { change: 'erase', id: keptText(change.id) }
    case 'cursor':
      checkName(change.cursor.name, 'the name of a cursor')
      checkWhole(change.cursor.seq, 'a cursor')
      return change
    case 'vectors':
      for (const { vector } of change.vectors) checkVector(vector)
      return change
    case 'model':
      break
  }
  checkName(change.model, 'the name of a model')
  if (!Number.isSafeInteger(change.dims) || change.dims < 1 || change.dims > maxDims) refuse(`a model of ${change.dims} dimensions`)
  return change
}

function checkedItem({ entry, passages, vectors }: MemoryItem): MemoryItem {
  checkName(entry.id, 'an id')
  for (const name of [entry.stream, entry.author, entry.session, entry.hash, entry.supersededBy]) checkLength(name, maxNameChars, 'a name')
  for (const at of [entry.createdAt, entry.updatedAt, entry.validFrom, entry.accessedAt, entry.place, entry.seq]) checkNumber(at)
  if (entry.validTo !== null) checkNumber(entry.validTo)
  checkWhole(entry.accesses, 'a count of accesses')
  checkNumber(entry.importance)
  if (passages.length > maxPassages) refuse(`${passages.length} passages; the limit is ${maxPassages}`)
  for (const vector of vectors?.vectors ?? []) checkVector(vector)
  return { entry: keptEntry(entry), passages: passages.map(checkedPassage), ...(vectors !== undefined && { vectors }) }
}

/** Normalises every field that holds text. */
function keptEntry(entry: MemoryEntry): MemoryEntry {
  return {
    ...entry,
    id: keptText(entry.id),
    stream: keptText(entry.stream),
    author: keptText(entry.author),
    hash: keptText(entry.hash),
    supersededBy: keptText(entry.supersededBy),
    tags: checkedTags(entry.tags),
    labels: entry.labels.toSorted(),
    contradicts: checkedIds(entry.contradicts),
    confirmedBy: checkedIds(entry.confirmedBy),
    extra: checkedExtra(entry.extra),
  }
}

function checkedPassage({ part, start, text, terms, context }: Passage): Passage {
  checkWhole(part, 'a part')
  checkWhole(start, 'a start')
  for (const long of [text, terms, context]) checkLength(long, maxPassageChars, 'a passage')
  return { part, start, text: keptText(text), terms: keptTerms(terms), context: keptTerms(context) }
}

function checkedPatch(patch: MemoryPatch): MemoryPatch {
  for (const value of Object.values(patch)) if (typeof value === 'number') checkNumber(value)
  return {
    ...patch,
    ...(patch.tags === undefined ? {} : { tags: checkedTags(patch.tags) }),
    ...(patch.labels === undefined ? {} : { labels: patch.labels.toSorted() }),
    ...(patch.contradicts === undefined ? {} : { contradicts: checkedIds(patch.contradicts) }),
    ...(patch.confirmedBy === undefined ? {} : { confirmedBy: checkedIds(patch.confirmedBy) }),
    ...(patch.supersededBy === undefined ? {} : { supersededBy: keptText(patch.supersededBy) }),
    ...(patch.extra === undefined ? {} : { extra: checkedExtra(patch.extra) }),
  }
}

function checkedTags(tags: readonly string[]): readonly string[] {
  if (tags.length > maxTags) refuse(`${tags.length} tags; the limit is ${maxTags}`)
  for (const tag of tags) checkLength(tag, maxTagChars, 'a tag')
  return checkedList(tags)
}

function checkedIds(ids: readonly string[]): readonly string[] {
  for (const id of ids) checkLength(id, maxNameChars, 'an id')
  return checkedList(ids)
}

function checkedList(list: readonly string[]): readonly string[] {
  for (const item of list) if (item === '' || item.includes(listSeparator)) refuse('an empty tag or id, or one with the character U+001F')
  return [...new Set(list.map(keptText))].toSorted()
}

function checkedExtra(extra: string): string {
  checkLength(extra, maxExtraChars, 'the extra data')
  return keptText(extra)
}

function checkName(name: string, what: string): void {
  if (name === '') refuse(`${what} is empty`)
  checkLength(name, maxNameChars, what)
}

function checkLength(text: string, max: number, what: string): void {
  if (text.length > max) refuse(`${what} has ${text.length} characters; the limit is ${max}`)
}

function checkWhole(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0) refuse(`${what} is ${value}`)
}

function checkNumber(value: number): void {
  if (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER) refuse(`a number is ${value}`)
}

function checkVector(vector: Float32Array): void {
  for (const value of vector) if (!Number.isFinite(value)) refuse(`a vector holds ${value}`)
}

// eslint-disable-next-line no-control-regex -- it is NUL that is looked for
const unkept = /\u0000/g

function keptText(text: string): string {
  const formed = text.isWellFormed() ? text : text.toWellFormed()
  return formed.includes('\u0000') ? formed.replace(unkept, '\ufffd') : formed
}

const needsCare = new RegExp(`[A-Z]|  |^ | $|[^ ]{${maxTermChars + 1}}`)

function keptTerms(terms: string): string {
  const text = keptText(terms)
  return needsCare.test(text) ? listOfTerms(text).join(' ') : text
}

function listOfTerms(text: string): readonly string[] {
  return text
    .split(' ')
    .filter((term) => term !== '')
    .map((term) => headOf(term, maxTermChars).replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase()))
}

/** @throws OxbowError `bad_input`. @returns the search within its limits, with each term once and as it is stored */
export function checkedSearch({ filter, text, vector, apart }: MemorySearch): MemorySearch {
  if (vector !== undefined) checkVector(vector.vector)
  const limitOf = (limit: number): number => (limit >= 0 ? Math.min(Math.floor(limit), maxHits) : 0)
  const storedTerms = (terms: readonly string[]): readonly string[] =>
    [...new Set(terms.flatMap((term) => listOfTerms(keptText(term.slice(0, maxPassageChars)))))].slice(0, maxSearchTerms)
  const contextWeight = text?.contextWeight ?? 0
  return {
    filter,
    ...(text === undefined
      ? {}
      : {
          text: {
            terms: storedTerms(text.terms),
            contextWeight: Number.isFinite(contextWeight) && contextWeight > 0 ? contextWeight : 0,
            limit: limitOf(text.limit),
            ...(text.onlyRare !== undefined && { onlyRare: storedTerms(text.onlyRare) }),
          },
        }),
    ...(vector === undefined ? {} : { vector: { ...vector, limit: limitOf(vector.limit) } }),
    ...(apart === undefined ? {} : { apart: limitOf(apart) }),
  }
}
