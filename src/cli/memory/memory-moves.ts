/** `oxbow memory ingest`, `export`, `import` and `reindex`. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { OxbowError } from '../../types/index.ts'
import { withGuest } from '../guest/guest-connection.ts'
import { maxImportChars, maxImportLines } from '../limits.ts'
import { printLine, printNotice, type Terminal } from '../terminal.ts'
import { plainLine } from '../view/terminal-text.ts'
import { ask, askAndPrint, type MemoryChoice } from './memory-ask.ts'

export interface IngestOptions extends MemoryChoice {
  readonly tag?: readonly string[] | undefined
  readonly trust?: boolean | undefined
}

export async function memoryIngest(path: string, options: IngestOptions, terminal: Terminal): Promise<number> {
  const input = { path, tags: options.tag ?? [], trust: options.trust === true }
  return askAndPrint({ name: 'memory.ingest', input }, options, terminal)
}

export async function memoryReindex(options: MemoryChoice, terminal: Terminal): Promise<number> {
  return askAndPrint({ name: 'memory.reindex', input: {} }, options, terminal)
}

interface ExportPage {
  readonly lines: readonly string[]
  readonly next: string | null
}

/** @param file a new one; without it, standard output */
export async function memoryExport(file: string | undefined, options: MemoryChoice, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    await using target = file === undefined ? null : await openNew(file)
    const unwritten = (cause: Error): never => {
      throw new OxbowError('bad_input', `${file} cannot be written: ${cause.message}`, {
        hint: 'Remove what there is of it, and see to the room on the disk.',
        cause,
      })
    }
    let count = 0
    for (let after: string | null = ''; after !== null;) {
      const { output }: { output: ExportPage } = await ask<ExportPage>(gateway, 'memory.export', { after })
      count += output.lines.length
      const text = output.lines.join('\n')
      if (text !== '' && target === null) printLine(terminal, text)
      else if (text !== '' && target !== null) await target.appendFile(`${text}\n`).catch(unwritten)
      after = output.next
    }
    if (target !== null) printNotice(terminal, `${count} ${count === 1 ? 'memory' : 'memories'} written to ${file}`)
    return 0
  })
}

async function openNew(file: string) {
  return open(file, 'wx', 0o600).catch((cause: unknown) => {
    throw new OxbowError('bad_input', `${file} cannot be written as a new file`, { hint: 'Name a file that is not there yet.', cause })
  })
}

interface Imported {
  added: number
  replaced: number
  unchanged: number
  conflicts: string[]
  refused: { line: number; why: string }[]
}

export async function memoryImport(
  file: string,
  options: MemoryChoice & { readonly overwrite?: boolean; readonly untrusted?: boolean },
  terminal: Terminal,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const total: Imported = { added: 0, replaced: 0, unchanged: 0, conflicts: [], refused: [] }
    for await (const { first, lines } of batches(file)) {
      const input = { lines, overwrite: options.overwrite === true, untrusted: options.untrusted === true }
      const { output } = await ask<Imported>(gateway, 'memory.import', input)
      total.added += output.added
      total.replaced += output.replaced
      total.unchanged += output.unchanged
      total.conflicts.push(...output.conflicts)
      total.refused.push(...output.refused.map(({ line, why }) => ({ line: first + line - 1, why })))
    }
    if (options.json === true) printLine(terminal, JSON.stringify(total))
    else printLine(terminal, importText(total))
    return total.conflicts.length + total.refused.length === 0 ? 0 : badNews
  })
}

/** As `tool_failed`. */
const badNews = 12
const shownProblems = 20

function importText({ added, replaced, unchanged, conflicts, refused }: Imported): string {
  return [
    `${added} added, ${replaced} replaced, ${unchanged} unchanged.`,
    ...(conflicts.length === 0 ? [] : [`${conflicts.length} are there with another content and were left; --overwrite replaces them:`]),
    ...conflicts.slice(0, shownProblems).map((id) => `  ${plainLine(id, 120)}`),
    ...(refused.length === 0 ? [] : [`${refused.length} lines were refused:`]),
    ...refused.slice(0, shownProblems).map(({ line, why }) => `  line ${line}: ${plainLine(why, 120)}`),
  ].join('\n')
}

/** Lines of a file, as many at once as a call takes. */
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

/** @throws OxbowError `not_found` for what cannot be opened, and for a folder, which can, and not be read */
async function* linesOf(file: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity })
  } catch (cause) {
    throw new OxbowError('not_found', `${file} cannot be read`, { hint: 'Name a file of JSON lines.', cause })
  }
}
