/** `oxbow wasm run`: runs a WASM or JavaScript tool once, with access to the mounted folders only. Needs no running guest. */
import { resolve } from 'node:path'
import { openHome, usersFolder } from '../../runner/index.ts'
import { type Json, OxbowError } from '../../base/index.ts'
import type { ToolQuestion, ToolReport } from '../../config/index.ts'
import { type GuestChoice, guestSetup, reportOf } from '../guest-connection.ts'
import { ownWay } from '../own-files.ts'
import { printFailure, printLine, printNotice, type Terminal } from '../terminal.ts'
import { plainText } from '../../terminal/index.ts'

export interface WasmOptions extends GuestChoice {
  readonly mount?: readonly string[] | undefined
  readonly input?: string | undefined
  readonly function?: string | undefined
  readonly timeout?: number | undefined
  readonly memory?: number | undefined
  readonly json?: boolean | undefined
}

/** @returns 0 when the tool ended with exit code 0, else the code of its failure. */
export async function wasmRun(file: string, options: WasmOptions, terminal: Terminal): Promise<number> {
  const tool: ToolQuestion = {
    file: resolve(file),
    mounts: (options.mount ?? []).map(parseMount),
    input: parseInput(options.input),
    limits: {
      ...(options.timeout !== undefined && { timeoutMs: options.timeout * 1000 }),
      ...(options.memory !== undefined && { memoryMb: options.memory }),
    },
    ...(options.function !== undefined && { function: options.function }),
  }
  // Through a link in a workspace, an agent could choose the folder that the tool writes to.
  const workspaces = usersFolder(openHome(terminal.env))
  for (const path of [tool.file, ...tool.mounts.map(({ folder }) => folder)]) await ownWay(path, workspaces)
  const report = await reportOf<ToolReport>(guestSetup(options, terminal), { command: 'wasm-run', tool })
  if (options.json === true) printLine(terminal, JSON.stringify(report))
  else printReport(report, terminal)
  if (report.failure !== null) return printFailure(terminal, report.failure)
  if (report.exitCode === 0) return 0
  return printFailure(terminal, {
    code: 'tool_failed',
    message: `the tool ended with exit code ${report.exitCode}`,
    hint: 'Its output says why; its file changes are kept.',
  })
}

/** The tool's stdout and stderr go to the same streams; notices go to stderr. */
function printReport(report: ToolReport, terminal: Terminal): void {
  const { stdout, stderr, kind, output, failure, changes, leftOut } = report
  if (stdout.text !== '') printLine(terminal, plainText(stdout.text.replace(/\n$/, '')))
  if (stderr.text !== '') printNotice(terminal, plainText(stderr.text.replace(/\n$/, '')))
  if (kind !== 'wasi' && failure === null) printLine(terminal, plainText(JSON.stringify(output)))
  const dropped = stdout.droppedBytes + stderr.droppedBytes
  if (dropped > 0) printNotice(terminal, `notice: ${dropped} more bytes of output were dropped`)
  if (leftOut.length > 0)
    printNotice(terminal, `notice: not copied to the tool because they are not regular files: ${plainText(leftOut.join(', '))}`)
  for (const change of changes) printNotice(terminal, plainText(`${change.kind.replace('_', ' ')}  ${change.path}`))
}

function parseMount(text: string): ToolQuestion['mounts'][number] {
  const [, folder = '', mode = 'ro'] = /^(.+?)(?::(ro|rw))?$/s.exec(text) ?? []
  return { folder: resolve(folder), mode: mode === 'rw' ? 'rw' : 'ro' }
}

function parseInput(text: string | undefined): Json {
  if (text === undefined) return null
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new OxbowError('bad_input', '--input is not JSON', { hint: `Give one JSON value, e.g. --input '{"text": "hello"}'` })
  }
}
