/** Replaces exact text. A text that is missing or stands more than once is an error that says how to do better. */
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError } from '../failure.ts'
import { refuseGuarded } from './guarded-path.ts'
import { nearestMatch } from './nearest-match.ts'
import { replaceFile } from './place-file.ts'
import { readWholeText } from './whole-text.ts'
import type { Place, Root } from './workspace-path.ts'

export async function editFile(roots: readonly Root[], input: HandsOps['edit']['input']): Promise<HandsOps['edit']['output']> {
  if (input.find === '') throw failed('bad_input', 'The text to find is empty.', 'Give the exact text to replace.')
  const { place, text, mode } = await readWholeText(roots, input.path)
  refuseGuarded(roots, place)
  const found = placesOf(text, input.find)
  if (found.length === 0) throw notFound(place, text, input.find)
  if (found.length > 1 && !input.all) throw moreThanOnce(place, text, found)
  try {
    await replaceFile({ ...place, mode }, Buffer.from(text.split(input.find).join(input.replace)))
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
  return { replaced: found.length, firstLine: lineAt(text, found[0] ?? 0) }
}

/** Places do not overlap: they are what a replacement would replace. */
function placesOf(text: string, find: string): number[] {
  const places: number[] = []
  for (let at = text.indexOf(find); at !== -1; at = text.indexOf(find, at + find.length)) places.push(at)
  return places
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

function moreThanOnce(place: Place, text: string, found: readonly number[]): Error {
  const shown = found.slice(0, 10).map((at) => lineAt(text, at))
  const lines = shown.join(', ') + (found.length > shown.length ? ', …' : '')
  return failed(
    'edit_mismatch',
    `The text to replace stands ${found.length} times in ${place.virtual}, at lines ${lines}.`,
    'Include more of the lines around the one that is meant, or replace all.',
  )
}
