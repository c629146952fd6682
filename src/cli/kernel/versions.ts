/** `oxbow undo`, `redo` and `restore`: what versions of the workspace bring back. */
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { withGuest } from '../guest-connection.ts'
import { formatTime, plainLine, plainText, table } from '../../terminal/index.ts'
import { toError } from '../../types/index.ts'
import { type CallOptions, outputOf, showOutput } from './call.ts'

interface Change {
  readonly path: string
  readonly change: 'added' | 'changed' | 'deleted'
}

const shortLength = 8

export interface RestoreOptions extends CallOptions {
  readonly to: string
  readonly yes?: boolean | undefined
}

interface Restored {
  readonly commit: string
  readonly changes: readonly Change[]
  readonly total: number
  readonly before: string
}

const verbs = { added: 'bring back', changed: 'replace', deleted: 'delete' } as const

/** Lists what would change; with `--yes` restores it. */
export function versionRestore(path: string, options: RestoreOptions, terminal: Terminal): Promise<number> {
  const apply = options.yes === true
  return showOutput(
    ['version.restore', { path, at: options.to, apply }],
    options,
    terminal,
    ({ commit, changes, total, before }: Restored) => {
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
    },
  )
}

export interface UndoOptions extends CallOptions {
  readonly dryRun?: boolean | undefined
  readonly list?: boolean | undefined
}

interface TurnLine {
  readonly turn: string
  readonly subject: string
  readonly author: string
  readonly at: number
  readonly undoes: string
  readonly undone: boolean
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
    const { turns } = (await outputOf(gateway, 'version.turns', {})) as { readonly turns: readonly TurnLine[] }
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
