/** Replaces exact text. A text that is missing or stands more than once is an error that says how to do better. */
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError } from '../failure.ts'
import { refuseGuarded } from './guarded-path.ts'
import { maxEditBytes, maxEditPlaces } from '../limits.ts'
import { nearestMatch } from './nearest-match.ts'
import { replaceFile } from './place-file.ts'
import { readWholeText } from './whole-text.ts'
import type { Place, Root } from './workspace-path.ts'

export async function editFile(roots: readonly Root[], input: HandsOps['edit']['input']): Promise<HandsOps['edit']['output']> {
  if (input.find === '') throw failed('bad_input', 'The text to find is empty.', 'Give the exact text to replace.')
  const { place, text, mode } = await readWholeText(roots, input.path)
  refuseGuarded(roots, place)
  const { count, first } = placesOf(text, input.find)
  if (count === 0) throw notFound(place, text, input.find)
  if (count > 1 && !input.all) throw moreThanOnce(place, text, count, first)
  refuseTooMuch(place, text, input, count)
  try {
    await replaceFile({ ...place, mode }, Buffer.from(text.split(input.find).join(input.replace)))
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
  return { replaced: count, firstLine: lineAt(text, first[0] ?? 0) }
}

/** Places do not overlap: they are what a replacement would replace. `first` are as many as an error names. */
function placesOf(text: string, find: string): { readonly count: number; readonly first: readonly number[] } {
  const first: number[] = []
  let count = 0
  for (let at = text.indexOf(find); at !== -1; at = text.indexOf(find, at + find.length)) {
    count += 1
    if (first.length < 10) first.push(at)
  }
  return { count, first }
}

/** Told before it is made: a short text that stands everywhere can become more than there is memory. */
function refuseTooMuch(place: Place, text: string, { find, replace }: HandsOps['edit']['input'], count: number): void {
  const bytes = Buffer.byteLength(text) + count * (Buffer.byteLength(replace) - Buffer.byteLength(find))
  if (bytes <= maxEditBytes && count <= maxEditPlaces) return
  throw failed(
    'limit_reached',
    `To replace ${count} places, so that ${place.virtual} has ${bytes} bytes, is too much for an edit.`,
    'Use a command such as sed.',
  )
}

function lineAt(text: string, index: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < index; at = text.indexOf('\n', at + 1)) line += 1
  return line
}

function notFound(place: Place, text: string, find: string): Error {
  const nearest = nearestMatch(text, find)
  const message = `The text to replace is not in ${place.virtual}.`
  if (nearest === null) {
    return failed('edit_mismatch', `${message} Nothing in the file resembles it.`, 'Read the file and copy the text exactly.')
  }
  const numbered = /^ *\d+\t/.test(find)
  const hint = numbered
    ? 'Leave out the line numbers that file_read puts before each line.'
    : nearest.onlySpaces
      ? 'Only spaces, tabs or line ends differ: copy them exactly.'
      : 'Copy the text exactly as it stands in the file.'
  return failed('edit_mismatch', `${message} Nearest match, at line ${nearest.line}:\n${nearest.excerpt}`, hint)
}

function moreThanOnce(place: Place, text: string, count: number, first: readonly number[]): Error {
  const lines = first.map((at) => lineAt(text, at)).join(', ') + (count > first.length ? ', …' : '')
  return failed(
    'edit_mismatch',
    `The text to replace stands ${count} times in ${place.virtual}, at lines ${lines}.`,
    'Include more of the lines around the one that is meant, or replace all.',
  )
}
