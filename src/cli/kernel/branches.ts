/** `oxbow branch`: copies of the workspace on which agents work. */
import type { OutputOf } from '../../client/index.ts'
import { plural } from '../../types/index.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { withGuest } from '../guest-connection.ts'
import { formatTime, plainLine, plainText, table } from '../../terminal/index.ts'
import { type CallOptions, outputOf, showOutput } from './call.ts'

type Branch = OutputOf<'branch.list'>['branches'][number]

type Change = Merged['changes'][number]

const shortLength = 8

export function branchCreate(name: string, options: CallOptions & { readonly at: string }, terminal: Terminal): Promise<number> {
  return showOutput(['branch.create', { name, at: options.at }], options, terminal, (made) => {
    return `Branch ${plainLine(made.name, 100)} is a copy of ${made.version.slice(0, shortLength)}.`
  })
}

/** Prints one line for each branch; with `--json` one object per line. */
export function branchList(options: CallOptions & { readonly all?: boolean | undefined }, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { branches } = await outputOf(gateway, 'branch.list', { ended: options.all === true })
    if (options.json === true) for (const branch of branches) printLine(terminal, JSON.stringify(branch))
    else if (branches.length === 0) printNotice(terminal, 'There are no branches: oxbow spawn --branch "…" starts an agent on one.')
    else printText(terminal, table(branches.map(rowOf)))
    return 0
  })
}

function rowOf({ name, state, by, version, created_at: at }: Branch): readonly string[] {
  return [plainLine(name, 100), state, formatTime(at), version.slice(0, shortLength), plainLine(by, 40)]
}

export function branchDiff(branch: string, options: CallOptions & { readonly path: string }, terminal: Terminal): Promise<number> {
  return showOutput(['branch.diff', { branch, path: options.path }], options, terminal, ({ changes, total, text }) => {
    if (total === 0) return 'Nothing has changed.'
    const more = total > changes.length ? `\n… and ${total - changes.length} more` : ''
    return `${changeLines(changes)}${more}\n\n${plainText(text)}`
  })
}

function changeLines(changes: readonly Change[]): string {
  return changes.map(({ path, change }) => `${change.padEnd(7)}  ${plainLine(path, 400)}`).join('\n')
}

type Merged = OutputOf<'branch.merge'>

/** @returns 1 if conflicts prevented the merge */
export function branchMerge(
  branch: string,
  options: CallOptions & { readonly conflicts: string; readonly dryRun?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  if (options.dryRun === true) return branchDiff(branch, { ...options, path: '/shared' }, terminal)
  return withGuest(options, terminal, async ({ gateway }) => {
    const merged = await outputOf(gateway, 'branch.merge', { branch, conflicts: options.conflicts })
    const clashes = merged.conflicts.map(({ path, why }) => `conflict  ${plainLine(path, 400)}: ${plainLine(why, 200)}`)
    if (options.json === true) printLine(terminal, JSON.stringify(merged))
    else {
      if (clashes.length > 0) printText(terminal, clashes.join('\n'))
      printNotice(terminal, endOf(merged))
      if (merged.changes.length > 0) printText(terminal, changeLines(merged.changes))
    }
    return merged.after === '' ? 1 : 0
  })
}

function endOf({ after, before, total }: Merged): string {
  if (after === '')
    return 'Nothing was merged: both sides have changed the same places. --conflicts workspace or --conflicts branch says whose file to take.'
  if (total === 0) return 'There was nothing to merge; the branch is dropped.'
  return `Merged ${plural(total, 'file')}. To take it back: oxbow restore / --to ${before.slice(0, shortLength)}`
}

export function branchDrop(
  branch: string,
  options: CallOptions & { readonly dryRun?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  if (options.dryRun === true) return branchDiff(branch, { ...options, path: '/shared' }, terminal)
  return showOutput(['branch.drop', { branch }], options, terminal, ({ name }) => `Dropped ${plainLine(name, 100)}.`)
}
