/** `oxbow graph check`, `runs`, `show`, `answer` and `cancel`: definitions of graphs that are checked, and runs that go on. */
import { readFileSync } from 'node:fs'
import { formatMoney, formatTime, plainLine, plainText, shortId, table } from '../../terminal/index.ts'
import { OxbowError, type ServiceVerb, textIn } from '../../types/index.ts'
import { definitionText, type ShownDefinition } from '../agents/delegation/definition-verbs.ts'
import type { CheckOutput } from './graph-calls.ts'
import type { GraphView } from './graph-view.ts'

const nameChars = 40
const valueChars = 200

export const graphVerbs: readonly ServiceVerb[] = [
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
    instead: ({ run }) => (runForm.test(String(run)) ? undefined : ['definition.show', { kind: 'graphs', name: run! }]),
    show: (shown: GraphView | ShownDefinition) => ('toml' in shown ? definitionText(shown) : runText(shown)),
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
      const { id, graph, status } = (await ask('graph.show', { run: run! })) as GraphView
      return { would: `cancel the run ${id} of ${plainLine(graph, nameChars)}, which is ${status}`, target: { id, graph, status } }
    },
    show: ({ id, status }: GraphView) => (status === 'cancelled' ? `Cancelled ${id}.` : `${id} was ${status} already.`),
  },
]

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
    run.waiting_for === '' ? run.status : `${run.status} (${run.waiting_for})`,
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

function questionText({ node, question, choices }: GraphView['questions'][number]): string {
  return plainText(`${node} asks: ${question}${choices.length === 0 ? '' : ` (${choices.join(', ')})`}`)
}
