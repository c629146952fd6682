/** `oxbow memory`: each verb makes one or more calls and prints the result. */
import { createReadStream, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { type CallOutcome, type Failure, type Json, ownValue, OxbowError } from '../../types/index.ts'
import { type GatewayPort, type GuestChoice, withGuest } from '../guest-connection.ts'
import { maxImportChars, maxImportLines } from '../limits.ts'
import { openProgress } from '../store/store-text.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { plainLine, plainText } from '../../terminal/index.ts'
import {
  forgetText,
  searchText,
  type ShownForget,
  type ShownHit,
  type ShownStats,
  type ShownWhy,
  statsText,
  whyText,
} from './memory-text.ts'

export interface MemoryChoice extends GuestChoice {
  readonly json?: boolean | undefined
}

/** The guest has the same version, so its results are not validated. @throws OxbowError when the call fails */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it names what the call answers, as a cast would
export async function ask<Output>(gateway: GatewayPort, name: string, input: Json): Promise<{ output: Output; text: string; ok: boolean }> {
  const outcome: CallOutcome = await gateway.call(name, input)
  if (outcome.status === 'ok') return { output: outcome.output as Output, text: outcome.text, ok: outcome.ok }
  const { code, message, hint } = forPeople(outcome.failure)
  throw new OxbowError(code, message, { hint })
}

/** Fields that are given as words after the verb, not as options. */
const positional: Readonly<Record<string, string>> = {
  content: 'the text',
  query: 'the words',
  note_id: 'the id',
  ids: 'the ids',
  path: 'the path',
}

/** A refusal names fields of the call and gives an example for models; this rewrites it for a person who typed options. */
function forPeople(failure: Failure): Failure {
  const what = failure.code === 'bad_input' ? /^\w+ was not run: (.*)$/s.exec(failure.message)?.[1] : undefined
  if (what === undefined) return failure
  const message = what.replace(
    /field `(\w+)[^`]*`/g,
    (_, field: string) => ownValue(positional, field) ?? `--${field.replaceAll('_', '-')}`,
  )
  return { ...failure, message, hint: 'Add --help to see the options.' }
}

/** Makes one call and prints the result as JSON or text. @returns the exit code: 12 when the call reports a failure */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the same
export async function askAndPrint<Output>(
  call: { readonly name: string; readonly input: Json },
  options: MemoryChoice,
  terminal: Terminal,
  words: (output: Output, text: string) => string = (_, text) => plainText(text),
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { output, text, ok } = await ask<Output>(gateway, call.name, call.input)
    if (options.json !== true) printText(terminal, words(output, text))
    else for (const each of Array.isArray(output) ? output : [output]) printLine(terminal, JSON.stringify(each))
    return ok ? 0 : badNews
  })
}

/** As `tool_failed`. */
const badNews = 12

export interface SearchOptions extends MemoryChoice {
  readonly limit: number
  readonly tag?: readonly string[] | undefined
  readonly notes?: boolean | undefined
  readonly asOf?: string | undefined
  readonly why?: boolean | undefined
}

export async function memorySearch(words: readonly string[], options: SearchOptions, terminal: Terminal): Promise<number> {
  const input = {
    query: words.join(' '),
    top_k: Math.max(1, options.limit),
    include_conversation: options.notes !== true,
    ...(options.tag !== undefined && { tags: options.tag }),
    ...(options.asOf !== undefined && { as_of: options.asOf }),
  }
  const show = (hits: readonly ShownHit[]): string => searchText(hits, options.why === true)
  return askAndPrint({ name: 'memory.search', input }, options, terminal, show)
}

export async function memoryWhy(id: string, options: MemoryChoice, terminal: Terminal): Promise<number> {
  return askAndPrint<ShownWhy>({ name: 'memory.why', input: { note_id: id } }, options, terminal, whyText)
}

export async function memoryStats(options: MemoryChoice, terminal: Terminal): Promise<number> {
  return askAndPrint<ShownStats>({ name: 'memory.stats', input: {} }, options, terminal, statsText)
}

export interface AddOptions extends MemoryChoice {
  readonly tag?: readonly string[] | undefined
}

export async function memoryAdd(text: readonly string[], options: AddOptions, terminal: Terminal): Promise<number> {
  return askAndPrint({ name: 'memory.save', input: { content: text.join(' '), tags: options.tag ?? [] } }, options, terminal)
}

export interface EditOptions extends AddOptions {
  readonly supersede?: boolean | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly confirm?: string | true | undefined
  readonly contradicts?: string | undefined
  readonly trust?: boolean | undefined
}

/** @throws OxbowError `bad_input` unless exactly one change is requested */
export async function memoryEdit(id: string, text: readonly string[], options: EditOptions, terminal: Terminal): Promise<number> {
  const calls = editCalls(id, text.join(' '), options)
  const [call] = calls
  if (call !== undefined && calls.length === 1) return askAndPrint(call, options, terminal)
  throw new OxbowError('bad_input', calls.length === 0 ? 'No change was given.' : 'Only one change can be made at a time.', {
    hint: 'Give a new text, or one of --confirm, --contradicts, --trust, --from and --to.',
  })
}

function editCalls(id: string, content: string, options: EditOptions): { readonly name: string; readonly input: Json }[] {
  const { supersede, from, to, confirm, contradicts, trust, tag } = options
  const note = { note_id: id, content, ...(tag !== undefined && { tags: tag }) }
  const since = from === undefined ? {} : { from }
  const calls: { name: string; input: Json }[] = []
  if (content !== '')
    calls.push(supersede === true ? { name: 'memory.supersede', input: { ...note, ...since } } : { name: 'memory.update', input: note })
  if (confirm !== undefined) calls.push({ name: 'memory.confirm', input: { note_id: id, ...(confirm !== true && { by: confirm }) } })
  if (contradicts !== undefined) calls.push({ name: 'memory.contradict', input: { note_id: id, other: contradicts } })
  if (trust === true) calls.push({ name: 'memory.promote', input: { note_id: id } })
  const isTime = to !== undefined || (from !== undefined && supersede !== true)
  if (isTime) calls.push({ name: 'memory.valid', input: { note_id: id, ...since, ...(to !== undefined && { to }) } })
  return calls
}

export interface PinOptions extends MemoryChoice {
  readonly undo?: boolean | undefined
}

export async function memoryPin(id: string, options: PinOptions, terminal: Terminal): Promise<number> {
  return askAndPrint({ name: 'memory.pin', input: { note_id: id, pinned: options.undo !== true } }, options, terminal)
}

export interface ForgetOptions extends MemoryChoice {
  readonly text?: string | undefined
  readonly yes?: boolean | undefined
}

/** Without `--yes`, only lists what would be erased. */
export async function memoryForget(ids: readonly string[], options: ForgetOptions, terminal: Terminal): Promise<number> {
  const isDry = options.yes !== true
  const input = { ids, text: options.text ?? '', dry_run: isDry }
  const show = (found: ShownForget, text: string): string => (isDry ? forgetText(found) : plainText(text))
  return askAndPrint({ name: 'memory.forget', input }, options, terminal, show)
}

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
      const { output }: { output: ExportPage } = await ask<ExportPage>(gateway, 'memory.export', { after })
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
    // In a log, the report at its end is enough.
    const progress = openProgress(terminal, options.json === true || !terminal.errors.isTTY)
    const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0
    let done = 0
    try {
      for await (const { first, lines } of batches(file)) {
        progress.show({ progress: 'importing', done, total: bytes })
        done += lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
        const input = { lines, overwrite: options.overwrite === true, untrusted: options.untrusted === true }
        const { output } = await ask<Imported>(gateway, 'memory.import', input)
        total.added += output.added
        total.replaced += output.replaced
        total.unchanged += output.unchanged
        total.conflicts.push(...output.conflicts)
        total.refused.push(...output.refused.map(({ line, why }) => ({ line: first + line - 1, why })))
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
    ...(conflicts.length === 0 ? [] : [`${conflicts.length} exist with different content and were skipped; --overwrite replaces them:`]),
    ...conflicts.slice(0, shownProblems).map((id) => `  ${plainLine(id, 120)}`),
    ...(refused.length === 0 ? [] : [`${refused.length} lines were refused:`]),
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

/** @throws OxbowError `not_found` for a file that cannot be opened, or a folder */
async function* linesOf(file: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity })
  } catch (cause) {
    throw new OxbowError('not_found', `${file} cannot be read`, { hint: 'Name a file with JSON lines.', cause })
  }
}
