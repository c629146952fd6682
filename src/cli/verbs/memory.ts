/** `oxbow memory export` and `import`: memories in files, page by page. */
import { createReadStream, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { OxbowError, plural } from '../../base/index.ts'
import type { OutputOf } from '../../client/index.ts'
import { type GuestChoice, withGuest, outputOf } from '../guest-connection.ts'
import { maxImportChars, maxImportLines } from '../limits.ts'
import { assertFile } from '../own-files.ts'
import { openProgress } from '../store/store-text.ts'
import { printLine, printNotice, type Terminal } from '../terminal.ts'
import { plainLine } from '../../terminal/index.ts'
export interface MemoryChoice extends GuestChoice {
  readonly json?: boolean | undefined
}

/** As `tool_failed`. */
const badNews = 12

/** @param file a new file; default: standard output */
export async function memoryExport(file: string | undefined, options: MemoryChoice, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    await using target = file === undefined ? null : await openNew(file)
    const unwritten = (cause: Error): never => {
      throw new OxbowError('bad_input', `${file} cannot be written: ${cause.message}`, {
        hint: 'Remove the incomplete file and free some disk space.',
        cause,
      })
    }
    let count = 0
    for (let after: string | null = ''; after !== null;) {
      const output: OutputOf<'memory.export'> = await outputOf(gateway, 'memory.export', { after })
      count += output.lines.length
      const text = output.lines.join('\n')
      if (text !== '' && target === null) printLine(terminal, text)
      else if (text !== '' && target !== null) await target.appendFile(`${text}\n`).catch(unwritten)
      after = output.next
    }
    if (target !== null && options.json === true) printLine(terminal, JSON.stringify({ file, memories: count }))
    else if (target !== null) printNotice(terminal, `${count} ${count === 1 ? 'memory' : 'memories'} written to ${file}`)
    return 0
  })
}

async function openNew(file: string) {
  return open(file, 'wx', 0o600).catch((cause: unknown) => {
    throw new OxbowError('bad_input', `${file} cannot be created`, { hint: 'Name a file that does not exist yet.', cause })
  })
}

type Imported = OutputOf<'memory.import'>

export async function memoryImport(
  file: string,
  options: MemoryChoice & { readonly overwrite?: boolean; readonly untrusted?: boolean },
  terminal: Terminal,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    let total: Imported = { added: 0, replaced: 0, unchanged: 0, conflicts: [], refused: [] }
    // In a log, the report at its end is enough.
    const progress = openProgress(terminal, options.json === true || !terminal.errors.isTTY)
    const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0
    let done = 0
    try {
      for await (const { first, lines } of batches(file)) {
        progress.show({ progress: 'importing', done, total: bytes })
        done += lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
        const input = { lines, overwrite: options.overwrite === true, untrusted: options.untrusted === true }
        const output = await outputOf(gateway, 'memory.import', input)
        total = {
          added: total.added + output.added,
          replaced: total.replaced + output.replaced,
          unchanged: total.unchanged + output.unchanged,
          conflicts: [...total.conflicts, ...output.conflicts],
          refused: [...total.refused, ...output.refused.map(({ line, why }) => ({ line: first + line - 1, why }))],
        }
      }
    } finally {
      progress.end()
    }
    if (options.json === true) printLine(terminal, JSON.stringify(total))
    else printLine(terminal, importText(total))
    return total.conflicts.length + total.refused.length === 0 ? 0 : badNews
  })
}

const shownProblems = 20

function importText({ added, replaced, unchanged, conflicts, refused }: Imported): string {
  return [
    `${added} added, ${replaced} replaced, ${unchanged} unchanged.`,
    ...(conflicts.length === 0
      ? []
      : [`With different content under the same id, so skipped; --overwrite replaces ${conflicts.length === 1 ? 'it' : 'them'}:`]),
    ...conflicts.slice(0, shownProblems).map((id) => `  ${plainLine(id, 120)}`),
    ...(refused.length === 0 ? [] : [`${plural(refused.length, 'line')} ${refused.length === 1 ? 'was' : 'were'} refused:`]),
    ...refused.slice(0, shownProblems).map(({ line, why }) => `  line ${line}: ${plainLine(why, 120)}`),
  ].join('\n')
}

/** Lines of a file, in batches of the size that a call takes. */
async function* batches(file: string): AsyncGenerator<{ readonly first: number; readonly lines: readonly string[] }> {
  let lines: string[] = []
  let chars = 0
  let number = 0
  for await (const line of linesOf(file)) {
    number += 1
    if (lines.length > 0 && (lines.length >= maxImportLines || chars + line.length > maxImportChars)) {
      yield { first: number - lines.length, lines }
      lines = []
      chars = 0
    }
    lines.push(line)
    chars += line.length
  }
  if (lines.length > 0) yield { first: number - lines.length + 1, lines }
}

/** @throws OxbowError `not_found` for a file that cannot be opened, `bad_input` for what is no file */
async function* linesOf(file: string): AsyncGenerator<string> {
  assertFile(file, 'Name a file with JSON lines.')
  try {
    yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity })
  } catch (cause) {
    throw new OxbowError('not_found', `${file} cannot be read`, { hint: 'Name a file with JSON lines.', cause })
  }
}
