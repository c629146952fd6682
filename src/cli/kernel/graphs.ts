/** `oxbow graph`: check, run and follow state graphs, answer their questions, cancel and resume runs. */
import { errorTable, isErrorCode, type Json, type JsonObject, OxbowError, failureSentences } from '../../types/index.ts'
import { type GatewayPort, withGuest } from '../guest-connection.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { formatMoney, formatTime, plainLine, plainText, table } from '../../terminal/index.ts'
import { type CallOptions, outputOf, parseInput, showOutput } from './call.ts'

interface Question {
  readonly node: string
  readonly question: string
  readonly choices: readonly string[]
}

interface RunLine {
  readonly id: string
  readonly graph: string
  readonly version: string
  readonly position: string
  readonly status: string
  readonly waiting_for: string
  readonly state: JsonObject
  readonly output: JsonObject
  readonly text: string
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string; readonly node: string } | null
  readonly paths: readonly {
    readonly key: string
    readonly graph: string
    readonly node: string
    readonly attempt: number
    readonly since: number
  }[]
  readonly questions: readonly Question[]
  readonly visits: number
  readonly created_at: number
  readonly ended_at: number | null
  readonly spent: { readonly tokens: number; readonly micro_dollars: number }
}

const nameChars = 40
const valueChars = 200
/** Of one look at a run, which waits for its next step. */
const lookS = 30

export interface RunOptions extends CallOptions {
  readonly set?: readonly string[] | undefined
  readonly input?: string | undefined
  readonly background?: boolean | undefined
}

/** Follows the run to its end, unless it is to stay in the background; Ctrl+C leaves it running. */
export async function runGraph(graph: string, options: RunOptions, terminal: Terminal): Promise<number> {
  if (options.background === true) {
    const { keepServing } = await import('../verbs/serve.ts')
    await keepServing(options, terminal)
  }
  const input = { graph, input: inputOf(options), wait: false }
  return withGuest(options, terminal, async ({ gateway }) => {
    const run = (await outputOf(gateway, 'graph.run', input)) as RunLine
    if (options.background !== true) return followRun(gateway, run, options, terminal)
    printLine(terminal, options.json === true ? JSON.stringify(run) : `Started ${plainLine(run.graph, nameChars)}, ${run.id}.`)
    return 0
  })
}

function inputOf({ set = [], input }: RunOptions): JsonObject {
  const fields = input === undefined ? {} : (parseInput(input) as JsonObject)
  const pairs = set.map((pair) => {
    const at = pair.indexOf('=')
    if (at > 0) return [pair.slice(0, at), valueOf(pair.slice(at + 1))] as const
    throw new OxbowError('bad_input', `${JSON.stringify(pair)} is not FIELD=VALUE`, { hint: 'For example: --set path=/shared/report.md' })
  })
  return { ...fields, ...Object.fromEntries(pairs) }
}

/** JSON, or the text as it is. */
function valueOf(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

/** Shows where it is on the error output, and its result on the output. */
async function followRun(gateway: Pick<GatewayPort, 'call'>, started: RunLine, options: CallOptions, terminal: Terminal): Promise<number> {
  let shown = ''
  let run = started
  for (
    ;
    run.status === 'running';
    run = (await outputOf(gateway, 'graph.show', { run: run.id, wait_s: lookS, seen: run.position })) as RunLine
  ) {
    const line = progressOf(run)
    if (line !== shown && options.json !== true) printNotice(terminal, line)
    shown = line
  }
  if (options.json === true) printLine(terminal, JSON.stringify(run))
  else printEnd(run, terminal)
  if (run.status === 'success') return 0
  const { code = 'tool_failed' } = run.failure ?? {}
  return errorTable[isErrorCode(code) ? code : 'tool_failed'].exit
}

function progressOf({ id, paths, questions, waiting_for: waits }: RunLine): string {
  const places = [...new Set(paths.map(({ node }) => plainLine(node, nameChars)))].join(', ')
  const [asked] = questions
  if (asked !== undefined) return `${questionText(asked)}\nAnswer it: oxbow graph answer ${id} ${asked.choices.join('|') || 'TEXT'}`
  return waits === 'an approval' ? `${places} waits for an approval: oxbow approve` : places
}

function questionText({ node, question, choices }: Question): string {
  return plainText(`${node} asks: ${question}${choices.length === 0 ? '' : ` (${choices.join(', ')})`}`)
}

function printEnd({ id, status, text, output, failure }: RunLine, terminal: Terminal): void {
  if (text !== '') printText(terminal, plainText(text))
  if (Object.keys(output).length > 0) printText(terminal, JSON.stringify(output, null, 2))
  if (failure !== null)
    printNotice(terminal, plainText(`${failure.node === '' ? 'It' : failure.node} failed (${failure.code}): ${failureSentences(failure)}`))
  printNotice(terminal, status === 'success' ? `${id}: success` : `${id}: ${status}. Go on with it: oxbow graph resume ${id}`)
}

export interface ResumeOptions extends CallOptions {
  readonly from?: string | undefined
  readonly background?: boolean | undefined
}

export function resumeRun(run: string, options: ResumeOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const resumed = (await outputOf(gateway, 'graph.resume', { run, ...(options.from !== undefined && { from: options.from }) })) as RunLine
    if (options.background !== true) return followRun(gateway, resumed, options, terminal)
    printLine(terminal, options.json === true ? JSON.stringify(resumed) : `${resumed.id} goes on.`)
    return 0
  })
}
