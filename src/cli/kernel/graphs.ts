/** `oxbow graph`: check, run and follow state graphs, answer their questions, cancel and resume runs. */
import { readFileSync } from 'node:fs'
import type { OutputOf } from '../../client/index.ts'
import { errorTable, failureSentences, isErrorCode, type Json, type JsonObject, OxbowError } from '../../types/index.ts'
import { type GatewayPort, withGuest } from '../guest-connection.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { formatMoney, formatTime, plainLine, plainText, shortId, table } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, outputOf, parseInput, showDestruction, showOutput } from './call.ts'
import { definitionShow } from './definitions.ts'

type Question = RunLine['questions'][number]

type RunLine = OutputOf<'graph.show'>

const nameChars = 40
const valueChars = 200
/** Of one look at a run, which waits for its next step. */
const lookS = 30

type Checked = OutputOf<'graph.check'>

/** @param graph a name, or a file that ends with .toml @returns 0 if it can run; else the exit code of `bad_input` */
export function checkGraph(graph: string, options: CallOptions, terminal: Terminal): Promise<number> {
  const input = graph.endsWith('.toml') ? { toml: readDefinition(graph) } : { graph }
  return withGuest(options, terminal, async ({ gateway }) => {
    const checked = await outputOf(gateway, 'graph.check', input)
    if (options.json === true) printLine(terminal, JSON.stringify(checked))
    else printText(terminal, checked.ok ? checked.nodes.map((line) => plainLine(line, valueChars)).join('\n') : problemsText(checked))
    return checked.ok ? 0 : errorTable.bad_input.exit
  })
}

function problemsText({ problems }: Checked): string {
  return problems.map(({ at, message, hint }) => plainText(`${at === '' ? 'the file' : at}: ${message}\n  ${hint}`)).join('\n')
}

function readDefinition(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new OxbowError('not_found', `the file ${path} cannot be read`, { hint: 'Name a graph, or a file that ends with .toml.', cause })
  }
}

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
    const run = await outputOf(gateway, 'graph.run', input)
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
  for (; run.status === 'running'; run = await outputOf(gateway, 'graph.show', { run: run.id, wait_s: lookS, seen: run.position })) {
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

export function listRuns(options: CallOptions & { readonly all?: boolean | undefined }, terminal: Terminal): Promise<number> {
  return showOutput(['graph.list', { ended: options.all === true, limit: 200 }], options, terminal, ({ runs }) => {
    if (runs.length === 0) return 'No graph runs. `oxbow graph runs --all` shows those that have ended.'
    const ids = runs.map(({ id }) => id)
    const rows = runs.map((run) => [
      shortId(run.id, ids),
      plainLine(run.graph, nameChars),
      run.waiting_for === '' ? run.status : `${run.status} (${run.waiting_for})`,
      run.paths.map(({ node }) => plainLine(node, nameChars)).join(', '),
      formatTime(run.created_at),
      `${run.spent.tokens} tokens`,
    ])
    return table([['ID', 'GRAPH', 'STATUS', 'AT', 'SINCE', 'SPENT'], ...rows])
  })
}

/** Ids of runs are hexadecimal; a graph of such a name is shown by its run's absence. */
const runForm = /^[0-9a-f]{4,}(?:-[0-9a-f-]*)?$/

/** @param named a run, or a definition */
export function showGraph(named: string, options: CallOptions, terminal: Terminal): Promise<number> {
  if (!runForm.test(named)) return definitionShow('graphs', named, options, terminal)
  return showOutput(['graph.show', { run: named }], options, terminal, runText)
}

function runText(run: RunLine): string {
  const { id, graph, version, status, waiting_for: waits, visits, spent, created_at: began, ended_at: ended } = run
  const head = [
    `${plainLine(graph, nameChars)} (${id}): ${status}${waits === '' ? '' : `, waits for ${waits}`}`,
    `version ${version.slice(0, 12)}, began ${formatTime(began)}${ended === null ? '' : `, ended ${formatTime(ended)}`}`,
    `${visits} visits, ${spent.tokens} tokens, ${formatMoney(spent.micro_dollars)}`,
  ]
  const paths = run.paths.map(({ key, node, attempt, since }) => [
    key === '' ? 'root' : key,
    plainLine(node, nameChars),
    attempt === 0 ? '' : `try ${attempt + 1}`,
    formatTime(since),
  ])
  const state = Object.entries(run.state).map(([field, value]) => [field, plainLine(JSON.stringify(value), valueChars)])
  const failure = run.failure === null ? [] : [plainText(`${run.failure.code}: ${run.failure.message}\n${run.failure.hint}`)]
  const result = Object.keys(run.output).length === 0 ? [] : [JSON.stringify(run.output, null, 2)]
  const parts = [head.join('\n'), ...(paths.length === 0 ? [] : [table(paths)]), ...(state.length === 0 ? [] : [table(state)])]
  return [...parts, ...run.questions.map(questionText), ...failure, ...result].join('\n\n')
}

export interface ResumeOptions extends CallOptions {
  readonly from?: string | undefined
  readonly background?: boolean | undefined
}

export function resumeRun(run: string, options: ResumeOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const resumed = await outputOf(gateway, 'graph.resume', { run, ...(options.from !== undefined && { from: options.from }) })
    if (options.background !== true) return followRun(gateway, resumed, options, terminal)
    printLine(terminal, options.json === true ? JSON.stringify(resumed) : `${resumed.id} goes on.`)
    return 0
  })
}

export function cancelRun(
  run: string,
  options: DryRunOptions & { readonly reason?: string | undefined },
  terminal: Terminal,
): Promise<number> {
  const input = { run, ...(options.reason !== undefined && { reason: options.reason }) }
  const show = ({ id, status }: RunLine): string => (status === 'cancelled' ? `Cancelled ${id}.` : `${id} was ${status} already.`)
  return showDestruction(['graph.cancel', input], options, terminal, show, async (gateway) => {
    const target = await outputOf(gateway, 'graph.show', { run })
    const { id, graph, status } = target
    return { would: `cancel the run ${id} of ${plainLine(graph, nameChars)}, which is ${status}`, target: { id, graph, status } }
  })
}

export function answerRun(
  run: string,
  answer: string,
  options: CallOptions & { readonly node?: string | undefined },
  terminal: Terminal,
): Promise<number> {
  const input = { run, answer: valueOf(answer), ...(options.node !== undefined && { node: options.node }) }
  return showOutput(['graph.answer', input], options, terminal, ({ answered }) => `Answered ${plainLine(answered, nameChars)}.`)
}
