/** `oxbow log`, `diff`, `tag`, `undo`, `redo` and `restore`: the versions of the workspace. */
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { withGuest } from '../guest-connection.ts'
import { formatTime, plainLine, plainText, table } from '../../terminal/index.ts'
import type { OutputOf } from '../../client/index.ts'
import { toError } from '../../types/index.ts'
import { type CallOptions, outputOf, showOutput } from './call.ts'

type Commit = OutputOf<'version.log'>['commits'][number]

type Change = OutputOf<'version.diff'>['changes'][number]

const shortLength = 8

export interface LogOptions extends CallOptions {
  readonly from: string
  readonly limit: number
}

/** Prints the versions, newest first; with `--json` one object per line. */
export function versionLog(path: string | undefined, options: LogOptions, terminal: Terminal): Promise<number> {
  const input = { path: path ?? '/', from: options.from, limit: options.limit }
  return withGuest(options, terminal, async ({ gateway }) => {
    const { commits } = await outputOf(gateway, 'version.log', input)
    if (options.json === true) for (const commit of commits) printLine(terminal, JSON.stringify(commit))
    else if (commits.length === 0) printNotice(terminal, 'There are no versions yet: the first turn that changes something makes one.')
    else printText(terminal, table(commits.map(logRow)))
    return 0
  })
}

function logRow({ commit, at, author, subject, tags }: Commit): readonly string[] {
  const names = tags.length === 0 ? '' : ` (${tags.join(', ')})`
  return [commit.slice(0, shortLength), formatTime(at), plainLine(author, 30), plainLine(`${subject}${names}`, 100)]
}

export interface DiffOptions extends CallOptions {
  readonly path: string
}

export function versionDiff(from: string | undefined, to: string | undefined, options: DiffOptions, terminal: Terminal): Promise<number> {
  const input = { path: options.path, to: to ?? 'HEAD', ...(from !== undefined && { from }) }
  return showOutput(['version.diff', input], options, terminal, ({ changes, total, text }) => {
    if (total === 0) return 'Nothing changed.'
    const more = total > changes.length ? `\n… and ${total - changes.length} more` : ''
    return `${changeLines(changes)}${more}\n\n${plainText(text)}`
  })
}

function changeLines(changes: readonly Change[]): string {
  return changes.map(({ path, change }) => `${change.padEnd(7)}  ${plainLine(path, 400)}`).join('\n')
}

export interface TagOptions extends CallOptions {
  readonly at: string
  readonly message: string
}

export function versionTag(name: string, options: TagOptions, terminal: Terminal): Promise<number> {
  const input = { tag: name, at: options.at, message: options.message }
  return showOutput(['version.tag', input], options, terminal, ({ commit }) => `Tagged ${commit.slice(0, shortLength)} as ${name}.`)
}

export interface RestoreOptions extends CallOptions {
  readonly to: string
  readonly yes?: boolean | undefined
}

const verbs = { added: 'bring back', changed: 'replace', deleted: 'delete' } as const

/** Lists what would change; with `--yes` restores it. */
export function versionRestore(path: string, options: RestoreOptions, terminal: Terminal): Promise<number> {
  const apply = options.yes === true
  return showOutput(['version.restore', { path, at: options.to, apply }], options, terminal, ({ commit, changes, total, before }) => {
    const target = commit.slice(0, shortLength)
    if (total === 0) return `${plainLine(path, 400)} is already as in ${target}.`
    const lines = changes.map((one) => `${verbs[one.change].padEnd(10)}  ${plainLine(one.path, 400)}`)
    if (total > changes.length) lines.push(`… and ${total - changes.length} more`)
    lines.push(
      '',
      apply
        ? `Restored to ${target}. Before: oxbow restore ${path} --to ${before.slice(0, shortLength)}`
        : 'Nothing is changed yet: add --yes.',
    )
    return lines.join('\n')
  })
}

export interface UndoOptions extends CallOptions {
  readonly dryRun?: boolean | undefined
  readonly list?: boolean | undefined
}

/** Undoes a turn, or the newest undo; with `--dry-run` only shows it. */
export function versionUndo(
  of: { readonly turn?: string | undefined; readonly redo?: boolean },
  options: UndoOptions,
  terminal: Terminal,
): Promise<number> {
  if (options.list === true) return listTurns(options, terminal)
  const { turn = '', redo = false } = of
  return withGuest(options, terminal, async ({ gateway }) => {
    const outcome = await gateway.call('version.undo', { turn, redo, apply: options.dryRun !== true })
    if (outcome.status !== 'ok') throw toError(outcome.failure)
    const { diff } = outcome.output as { readonly diff: string }
    if (options.json === true) printLine(terminal, JSON.stringify(outcome.output))
    else {
      const next = options.dryRun === true ? '' : redo ? '\n`oxbow undo` takes it back again.' : '\n`oxbow redo` brings it back.'
      printText(terminal, plainText(`${outcome.text}${next}${diff === '' ? '' : `\n\n${diff}`}`))
    }
    return 0
  })
}

function listTurns(options: UndoOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { turns } = await outputOf(gateway, 'version.turns', {})
    if (options.json === true) printLine(terminal, JSON.stringify(turns))
    else if (turns.length === 0) printNotice(terminal, 'No turn has changed files or saved documents yet.')
    else
      printText(
        terminal,
        table(
          turns.map(({ turn, at, author, subject, undone }) => [
            turn,
            formatTime(at),
            plainLine(author, 30),
            plainLine(`${subject}${undone ? ' (undone)' : ''}`, 100),
          ]),
        ),
      )
    return 0
  })
}
