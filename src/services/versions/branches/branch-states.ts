/** In which states a branch of files is used, and what stops a merge. */
import { OxbowError } from '../../../base/index.ts'
import { fileName } from '../thread/checkpoint.ts'
import { fullWhy } from '../restore-files.ts'
import type { BranchRecord, Conflict } from '../version-schemas.ts'

export function isEnded({ state }: Pick<BranchRecord, 'state'>): boolean {
  return state === 'merged' || state === 'dropped'
}

/** @throws OxbowError `not_found` */
export function openOnly(record: BranchRecord): BranchRecord {
  if (record.state === 'open' || record.state === 'merging') return record
  const hints = {
    making: 'Its copy was interrupted: drop it.',
    merged: 'oxbow log has the merge.',
    dropped: 'Its files are gone.',
  } as const
  throw new OxbowError('not_found', `The branch of files ${record.name} is ${record.state}.`, { hint: hints[record.state] })
}

/** @throws OxbowError `bad_input` where one that has begun goes elsewhere */
export function assertSameMerge({ name, merge: begun }: BranchRecord, into: string | undefined): void {
  if (begun === null || begun.into === into) return
  throw new OxbowError('bad_input', `${name} is being merged into ${begun.into ?? 'the workspace'}.`, { hint: 'Merge it there again.' })
}

export function changedMeanwhile(name: string): OxbowError {
  return new OxbowError('tool_failed', `Files have changed while ${name} was merged: nothing was changed.`, { hint: 'Merge it again.' })
}

export function keptMeanwhile(name: string, kept: readonly Conflict[], isWhole = false): OxbowError {
  const names = kept.slice(0, 5).map(({ path, why }) => `/${fileName(path)} (${why})`)
  const what = isWhole ? 'Nothing was changed' : `Files were left as they are while ${name} was merged`
  const isFull = kept.some(({ why }) => why === fullWhy)
  return new OxbowError(isFull ? 'store_full' : 'tool_failed', `${what}${isFull ? ', the disk is full' : ''}: ${names.join(', ')}.`, {
    hint: `${isFull ? 'Free some space on the disk of the workspace, then do' : isWhole ? 'Look at them, then do' : 'Merge'} it again.`,
  })
}
