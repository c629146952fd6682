/** What people read of an undo: what would change or did, what is in the way, and what is not taken back. */
import { OxbowError, plural } from '../../../base/index.ts'
import { compensationCommand } from '../../../terminal/index.ts'
import { shownPath } from '../thread/checkpoint.ts'
import { fullWhy } from '../restore-files.ts'
import type { UndoneTurn } from '../thread/undo-turn.ts'
import { maxListedChanges } from '../limits.ts'
import type { Conflict, Undone } from '../version-schemas.ts'
import type { ChosenChanges, Conflicts } from './undo-parts.ts'

type Shown = Pick<Undone, 'changes' | 'total' | 'conflicts'>
type Left = Pick<Undone, 'conflicts' | 'others' | 'outside'>

export function shownPlan({ changes, conflicts }: Pick<UndoneTurn, 'changes' | 'conflicts'>, chosen: ChosenChanges): Shown {
  const files = changes.map((one) => ({ ...one, path: shownPath(one.path) }))
  const left = conflicts.map((one) => ({ ...one, path: shownPath(one.path) }))
  return {
    changes: [...files, ...chosen.changes.map(({ path, change }) => ({ path, change }))].slice(0, maxListedChanges),
    total: changes.length + chosen.changes.length,
    conflicts: [...left, ...chosen.conflicts].slice(0, maxListedChanges),
  }
}

/** As the person knows it. */
const nameOf = (path: string): string => path.replace(/^\/shared\//, '')

const isFile = ({ path }: { readonly path: string }): boolean => path.startsWith('/shared/') || path.startsWith('/state/')

export function summary({ changes, total }: Shown, isRedo: boolean): string {
  const when = isRedo ? 'before it was undone' : 'before this turn'
  const [only] = changes
  if (total === 1 && only !== undefined)
    return only.change === 'deleted'
      ? `Removed ${nameOf(only.path)}, which was not there ${when}.`
      : `Restored ${nameOf(only.path)} as it was ${when}.`
  return `Restored ${plural(total, changes.every(isFile) ? 'file' : 'thing')} as they were ${when}.`
}

const verbs = { added: 'bring back', changed: 'restore', deleted: 'remove' } as const

export function previewLines({ changes, total }: Shown): readonly string[] {
  if (total === 0) return ['Nothing can be taken back unless it overwrites what was changed since.']
  const what = plural(total, changes.every(isFile) ? 'file' : 'thing')
  return [`Would change ${what}:`, ...changes.map(({ path, change }) => `${verbs[change]} ${nameOf(path)}`)]
}

export function leftLines({ conflicts, others, outside }: Left, how: Conflicts): readonly string[] {
  const said = ({ path, why }: Conflict): string =>
    how === 'stop' ? `In the way: ${nameOf(path)}: ${why}.` : `Left ${nameOf(path)} as it is: ${why}.`
  return [
    ...conflicts.map(said),
    ...(others.length === 0 ? [] : [`This turn also did what an undo does not take back: ${others.join(', ')}.`]),
    ...outside
      .slice(0, maxListedChanges)
      .flatMap(({ call, compensation }) =>
        compensation === null ? [] : [`  To make up for ${call}: ${compensationCommand(compensation)}`],
      ),
  ]
}

/** A preview, as it is shown before the question. */
export function planText(plan: Shown & Left & Pick<Undone, 'diff'>, how: Conflicts): string {
  const lines = [...previewLines(plan), ...leftLines(plan, how)]
  return `${lines.join('\n')}${plan.diff === '' ? '' : `\n\n${plan.diff}`}`
}

/** What the services put back, as a diff shows it. */
export function partsDiff({ changes }: ChosenChanges): string {
  const lines = (sign: string, text: string): readonly string[] => (text === '' ? [] : text.split('\n').map((line) => `${sign}${line}`))
  return changes
    .map(({ path, now, restored }) => [`--- ${path}`, `+++ ${path}`, ...lines('-', now), ...lines('+', restored)].join('\n'))
    .join('\n')
}

const named = (conflicts: readonly Conflict[]): string => {
  const more = conflicts.length > 5 ? `; and ${conflicts.length - 5} more` : ''
  return `${conflicts
    .slice(0, 5)
    .map(({ path, why }) => `${nameOf(path)}: ${why}`)
    .join('; ')}${more}`
}

/** An undo that is asked to stop at conflicts. */
export function inTheWay({ conflicts, total }: Pick<Shown, 'conflicts' | 'total'>): OxbowError {
  const full = conflicts.filter(({ why }) => why === fullWhy)
  if (full.length > 0)
    return new OxbowError('store_full', `Nothing was changed, because the disk is full: ${named(full)}.`, {
      hint: 'Free some space on the disk of the workspace, and undo it again.',
    })
  return new OxbowError('tool_failed', `Nothing was changed, because this was changed since or cannot be changed: ${named(conflicts)}.`, {
    hint:
      total === 0
        ? 'oxbow undo --overwrite puts back what was there before the turn; --overwrite --dry-run shows it first.'
        : 'oxbow undo --keep-later leaves these as they are and takes back the rest; --overwrite puts back what was before here too.',
  })
}

export function nothingToUndo(conflicts: readonly Conflict[], isRedo: boolean): OxbowError {
  const what = isRedo ? 'undo' : 'turn'
  if (conflicts.length === 0)
    return new OxbowError('not_found', `Nothing was changed: all is already as it was before this ${what}.`, {
      hint: 'oxbow log lists the versions.',
    })
  return new OxbowError('tool_failed', `Nothing was changed: what this ${what} did cannot be taken back now. ${named(conflicts)}.`, {
    hint: 'oxbow diff shows a version, and oxbow restore PATH --to VERSION brings one file back.',
  })
}
