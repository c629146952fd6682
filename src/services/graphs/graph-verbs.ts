/** `oxbow graph`: definitions of graphs that are checked, and their runs, which are followed, answered, cancelled and resumed. */
import { readFileSync } from 'node:fs'
import { cancelRun, formatMoney, formatTime, plainLine, plainText, shortId, table } from '../../terminal/index.ts'
import {
  type ErrorCode,
  failureSentences,
  isErrorCode,
  isObject,
  type JsonObject,
  OxbowError,
  parseObject,
  textIn,
} from '../../base/index.ts'
import type { AskCall, Following, OutputOf, ServiceVerb, Typed } from '../../protocol/index.ts'
import { definitionText, showDefinition } from '../typed-values.ts'
import type { CheckOutput } from './graph-calls.ts'
import { isGoingOn, statusText } from './graph-record.ts'
import type { GraphView } from './graph-view.ts'

const nameChars = 40
const valueChars = 200

/** Of a verb that follows a run, unless it is to stay in the background; Ctrl+C leaves it running. */
const following = {
  keeps: ({ background }: Typed['options']) => background === true,
  follow: async (begun: GraphView, { options, ask, tell }: Following) => (options['background'] === true ? begun : endOf(begun, ask, tell)),
  notice: endText,
  fails: ({ status, failure }: GraphView) => (status === 'success' || isGoingOn(status) ? null : codeOf(failure?.code)),
}
const background = { field: '', help: 'do not wait for its end' } as const

export const graphVerbs: readonly ServiceVerb[] = [
  {
    words: 'graph',
    summary: 'check, run, show, resume and cancel state graphs',
    examples: ['oxbow graph run review --set path=/shared/report.md', 'oxbow graph runs'],
  },
  {
    words: 'graph run <graph>',
    summary: 'run a graph, and follow it to its end',
    examples: ['oxbow graph run review --set path=/shared/report.md', 'oxbow graph run review --background'],
    call: 'graph.run',
    fixed: { wait: false },
    typed: {
      '--set <field=value>': { field: 'input', help: 'value of an input, as JSON or text; repeat for more' },
      '--input <json>': { field: '', help: 'values of all inputs as one JSON object' },
      '--background': background,
    },
    input: ({ input, ...rest }, { options }) => ({
      ...rest,
      input: { ...(typeof options['input'] === 'string' && inputsOf(options['input'])), ...(isObject(input) && input) },
    }),
    ...following,
    show: (run: GraphView) => (isGoingOn(run.status) ? `Started ${plainLine(run.graph, nameChars)}, ${run.id}.` : resultText(run)),
  },
  {
    words: 'graph check <graph>',
    summary: 'check a definition, by name or as a file that ends with .toml',
    examples: ['oxbow graph check review', 'oxbow graph check review.toml'],
    call: 'graph.check',
    omit: true,
    input(input) {
      const graph = textIn(input, 'graph')
      return graph.endsWith('.toml') ? { toml: readDefinition(graph) } : input
    },
    show: ({ ok, nodes, problems }: CheckOutput) =>
      ok
        ? nodes.map((line) => plainLine(line, valueChars)).join('\n')
        : problems.map(({ at, message, hint }) => plainText(`${at === '' ? 'the file' : at}: ${message}\n  ${hint}`)).join('\n'),
    fails: ({ ok }: CheckOutput) => (ok ? null : 'bad_input'),
  },
  {
    words: 'graph runs',
    summary: 'list runs, with where they are',
    examples: ['oxbow graph runs --all'],
    call: 'graph.list',
    lists: { run: 'id' },
    typed: { '--all': { field: 'ended', value: true } },
    fixed: { limit: 200 },
    show: ({ runs }: { readonly runs: readonly GraphView[] }) => runTable(runs),
  },
  {
    words: 'graph show <run>',
    summary: 'show a run with its state, or the definition of a graph',
    examples: ['oxbow graph show 0fd2b0d1', 'oxbow graph show review'],
    call: 'graph.show',
    omit: true,
    instead: (input) => (runForm.test(textIn(input, 'run')) ? undefined : showDefinition('graphs', textIn(input, 'run'))),
    show: (shown: GraphView | OutputOf<'definition.show'>) => ('toml' in shown ? definitionText(shown) : runText(shown)),
    fails: () => null,
  },
  {
    words: 'graph resume <run>',
    summary: 'go on with a run that has failed or was cancelled, and follow it',
    examples: ['oxbow graph resume 0fd2b0d1', 'oxbow graph resume 0fd2b0d1 --from write'],
    call: 'graph.resume',
    typed: { '--from <node>': { field: 'from', help: 'node at which it goes on; default: where it stopped' }, '--background': background },
    ...following,
    show: (run: GraphView) => (isGoingOn(run.status) ? `${run.id} goes on.` : resultText(run)),
  },
  {
    words: 'graph answer <run> <answer>',
    summary: 'answer the question with which a run waits',
    examples: ['oxbow graph answer 0fd2b0d1 yes'],
    call: 'graph.answer',
    typed: { '--node <name>': 'node' },
    show: ({ answered }: { readonly answered: string }) => `Answered ${plainLine(answered, nameChars)}.`,
  },
  {
    words: 'graph cancel <run>',
    summary: 'end a run with everything that it runs',
    examples: ['oxbow graph cancel 0fd2b0d1', 'oxbow graph cancel 0fd2b0d1 --dry-run'],
    call: 'graph.cancel',
    async preview({ run }, ask) {
      const { id, graph, status } = await ask('graph.show', { run: run! })
      const target = { id, graph, status }
      if (!isGoingOn(status)) return { would: '', nothing: endedText(target), target }
      return { would: cancelRun(id, graph).would, target }
    },
    show: (run: OutputOf<'graph.cancel'>) => (run.cancelled ? cancelRun(run.id, run.graph).done : endedText(run)),
  },
]

const endedText = ({ id, status }: Pick<GraphView, 'id' | 'status'>): string => `${id} has ended already: ${status}.`

/** @throws OxbowError `not_found` */
function readDefinition(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new OxbowError('not_found', `the file ${path} cannot be read`, { hint: 'Name a graph, or a file that ends with .toml.', cause })
  }
}

function runTable(runs: readonly GraphView[]): string {
  if (runs.length === 0) return 'No graph runs. `oxbow graph runs --all` shows those that have ended.'
  const ids = runs.map(({ id }) => id)
  const rows = runs.map((run) => [
    shortId(run.id, ids),
    plainLine(run.graph, nameChars),
    statusText(run.status, run.waiting_for),
    run.paths.map(({ node }) => plainLine(node, nameChars)).join(', '),
    formatTime(run.created_at),
    `${run.spent.tokens} tokens`,
  ])
  return table([['ID', 'GRAPH', 'STATUS', 'AT', 'SINCE', 'SPENT'], ...rows])
}

/** Ids of runs are hexadecimal; a graph of such a name is shown by its run's absence. */
const runForm = /^[0-9a-f]{4,}(?:-[0-9a-f-]*)?$/

function runText(run: GraphView): string {
  const { id, graph, version, status, waiting_for: waits, visits, spent, created_at: began, ended_at: ended } = run
  const head = [
    `${plainLine(graph, nameChars)} (${id}): ${statusText(status, waits)}`,
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

function questionText({ node, question, choices }: GraphView['questions'][number]): string {
  return plainText(`${node} asks: ${question}${choices.length === 0 ? '' : ` (${choices.join(', ')})`}`)
}

/** @throws OxbowError `bad_input` */
function inputsOf(text: string): JsonObject {
  const parsed = parseObject(text)
  if (parsed !== null) return parsed
  throw new OxbowError('bad_input', '--input is not a JSON object', { hint: `For example: --input '{"path": "/shared/report.md"}'` })
}

/** Of one look at a run, which waits for its next step. */
const lookS = 30

/** Says where it is, until it has ended. */
async function endOf(begun: GraphView, ask: AskCall, tell: (text: string) => void): Promise<GraphView> {
  let run = begun
  while (isGoingOn(run.status)) {
    tell(progressOf(run))
    run = await ask('graph.show', { run: run.id, wait_s: lookS, seen: run.position })
  }
  return run
}

function progressOf({ id, paths, questions, waiting_for: waits }: GraphView): string {
  const places = [...new Set(paths.map(({ node }) => plainLine(node, nameChars)))].join(', ')
  const [asked] = questions
  if (asked !== undefined) return `${questionText(asked)}\nAnswer it: oxbow graph answer ${id} ${asked.choices.join('|') || 'TEXT'}`
  return waits === 'an approval' ? `${places} waits for an approval: oxbow approve` : places
}

function resultText({ text, output }: GraphView): string {
  const parts = [plainText(text), Object.keys(output).length === 0 ? '' : JSON.stringify(output, null, 2)]
  return parts.filter((part) => part !== '').join('\n')
}

function endText({ id, status, failure }: GraphView): string {
  if (isGoingOn(status)) return ''
  if (status === 'success') return `${id}: success`
  const why = failure === null ? '' : `${failure.node || 'It'} failed (${failure.code}): ${failureSentences(failure)}\n`
  return plainText(`${why}${id}: ${status}. Go on with it: oxbow graph resume ${id}`)
}

const codeOf = (code = ''): ErrorCode => (isErrorCode(code) ? code : 'tool_failed')
