/** `oxbow sessions export` and `import`: a session as a file. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { OxbowError } from '../../base/index.ts'
import { plainLine } from '../../terminal/index.ts'
import { type GuestChoice, outputOf, withGuest } from '../guest-connection.ts'
import { printAnswer, printNotice, type Terminal } from '../terminal.ts'
import { ofUser } from '../verb-parts.ts'
import { findSession } from '../verbs/sessions.ts'

export interface ExportOptions extends GuestChoice {
  readonly format: 'json' | 'markdown'
  readonly output?: string | undefined
}

/** Prints the file, or writes a new one: an existing file is kept. @returns the exit code */
export async function exportSession(prefix: string, options: ExportOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const session = await findSession(gateway, prefix, { archived: true })
    const { file, turns } = await outputOf(gateway, 'session.export', { session: session.id, format: options.format })
    if (options.output === undefined) {
      terminal.output.write(file)
      return 0
    }
    writeNew(options.output, file)
    const done = { session: session.id, file: options.output, turns }
    return printAnswer(done, `Wrote ${turns} ${turns === 1 ? 'turn' : 'turns'} to ${plainLine(options.output, 300)}.`, options, terminal)
  })
}

function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    const isThere = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    throw new OxbowError('bad_input', isThere ? `${path} is there already.` : `${path} cannot be written.`, {
      hint: 'Name another file.',
      cause,
    })
  }
}

export interface ImportOptions extends GuestChoice {
  readonly title?: string | undefined
}

/** Larger files are refused by the guest, too, but need not be read. */
const maxFileBytes: number = 3 * 1024 * 1024

export async function importSession(path: string, options: ImportOptions, terminal: Terminal): Promise<number> {
  const file = readSmall(path)
  return withGuest(options, terminal, async ({ gateway }) => {
    const { title } = options
    const made = await outputOf(gateway, 'session.import', { file, ...(title !== undefined && { title }) })
    if (options.json !== true) printNotice(terminal, 'Its turns are marked as imported and untrusted; nothing in it was run.')
    if (made.agent !== '' && options.json !== true)
      printNotice(
        terminal,
        `${plainLine(made.agent, 60)} answered in it. A file chooses nobody: oxbow persona use ${plainLine(made.agent, 60)} --session ${made.session}${ofUser(options.user)}`,
      )
    const words = `${made.session} has ${made.turns} imported ${made.turns === 1 ? 'turn' : 'turns'}. Open it with: oxbow chat --session ${made.session}${ofUser(options.user)}`
    return printAnswer(made, words, options, terminal)
  })
}

function readSmall(path: string): string {
  try {
    const { size } = statSync(path)
    if (size <= maxFileBytes) return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new OxbowError('bad_input', `${path} cannot be read.`, { hint: 'Name a file that `oxbow sessions export` wrote.', cause })
  }
  throw new OxbowError('limit_reached', `${path} is larger than ${maxFileBytes / 1024 / 1024} MiB.`, {
    hint: 'Export a fork of the session that has fewer messages.',
  })
}
