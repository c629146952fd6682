/** `oxbow program`: programs that are listed, checked, switched and run; their runs are followed, shown and cancelled. */
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
import { packageVerbs } from './packages/package-verbs.ts'
import { isFolder, readProgramFolder } from './packages/program-folder.ts'
import { saysNo } from './program-record.ts'
import type { ProgramRunView, ProgramView } from './program-view.ts'

const nameChars = 40
const valueChars = 200

const codeOf = (code = ''): ErrorCode => (isErrorCode(code) ? code : 'tool_failed')
const isGoingOn = ({ status }: Pick<ProgramRunView, 'status'>): boolean => status === 'running' || status === 'waiting'

export const programVerbs: readonly ServiceVerb[] = [
  {
    words: 'program',
    summary: 'install, check, test and run programs',
    examples: ['oxbow program list', 'oxbow program run tidy --input folder=/shared/notes'],
  },
  {
    words: 'program list',
    summary: 'list programs, and which are switched on',
    examples: ['oxbow program list', 'oxbow program list --json'],
    call: 'program.list',
    lists: { program: 'name' },
    show: ({ programs }: { readonly programs: readonly ProgramView[] }) =>
      programs.length === 0
        ? 'There are no programs. `oxbow program new NAME` makes one, `oxbow program install SOURCE` installs one.'
        : listText(programs),
  },
  {
    words: 'program info <program>',
    summary: 'show a program: what it does, may do, takes and returns',
    examples: ['oxbow program info tidy'],
    call: 'program.info',
    show: ({ name, version, enabled, active, problem, place, may, toml, instructions }: OutputOf<'program.info'>) => {
      const state = problem === '' ? stateText({ enabled, active }) : plainLine(problem, valueChars)
      const rights = [
        'It may',
        ...(may.length === 0 ? ['do nothing outside'] : may).map((line) => `  ${plainLine(line, valueChars)}`),
      ].join('\n')
      return [
        `${plainLine(name, nameChars)} ${version}, ${place}: ${state}`,
        rights,
        plainText(toml.trimEnd()),
        plainText(instructions.trimEnd()),
      ].join('\n\n')
    },
  },
  {
    words: 'program verify <program>',
    summary: 'check a program, by name or by its folder, without running it',
    examples: ['oxbow program verify tidy', 'oxbow program verify ./tidy'],
    call: 'program.verify',
    typed: { program: 'name' },
    omit: true,
    input(input) {
      const named = textIn(input, 'name')
      if (!isFolder(named)) return input
      const { name, files } = readProgramFolder(named)
      return { name, files }
    },
    show: ({ ok, problems, warnings }: OutputOf<'program.verify'>) => {
      const line = ({ file, line: at, message }: (typeof problems)[number]): string =>
        plainText(`${file}${at === 0 ? '' : `:${at}`}: ${message}`)
      const all = [...problems.map(line), ...warnings.map((each) => `warning: ${line(each)}`)]
      return [...all, ...(ok ? ['It can run.'] : [])].join('\n')
    },
    fails: ({ ok }: OutputOf<'program.verify'>) => (ok ? null : 'bad_input'),
  },
  {
    words: 'program run <program>',
    summary: 'run a program, and follow it to its end',
    examples: ['oxbow program run tidy --input folder=/shared/notes', 'oxbow program run tidy --dry-run --json'],
    call: 'program.run',
    fixed: { wait: false },
    typed: {
      '--input <field=value>': { field: 'input', help: 'value of an input, as JSON or text; repeat for more' },
      '--inputs <json>': { field: '', help: 'values of all inputs as one JSON object' },
      '--dry-run': { field: 'dry_run', value: true, help: 'only check the input, and show which rights it would have' },
      '--background': { field: '', help: 'do not wait for its end' },
    },
    input: ({ input, ...rest }, { options }) => ({
      ...rest,
      input: { ...(typeof options['inputs'] === 'string' && inputsOf(options['inputs'])), ...(isObject(input) && input) },
    }),
    keeps: ({ background }: Typed['options']) => background === true,
    follow: async (begun: ProgramRunView, { options, ask, tell }: Following) =>
      options['background'] === true ? begun : endOf(begun, ask, tell),
    notice: (run: ProgramRunView) => (isGoingOn(run) || run.status === 'planned' ? '' : endText(run)),
    fails: (run: ProgramRunView) =>
      run.status === 'failed' || run.status === 'cancelled' || saysNo(run.result) ? codeOf(run.failure?.code) : null,
    show: (run: ProgramRunView) => {
      if (run.status === 'planned') return planText(run)
      return isGoingOn(run) ? `Started ${plainLine(run.program, nameChars)}, ${run.id}.` : resultText(run)
    },
  },
  {
    words: 'program runs',
    summary: 'list runs of programs',
    examples: ['oxbow program runs --all'],
    call: 'program.runs',
    lists: { run: 'id' },
    typed: { '--all': { field: 'ended', value: true } },
    fixed: { limit: 200 },
    show: ({ runs }: { readonly runs: readonly ProgramRunView[] }, { options }) => runTable(runs, options['all'] === true),
  },
  {
    words: 'program show <run>',
    summary: 'show a run with its result',
    examples: ['oxbow program show 0fd2b0d1'],
    call: 'program.show',
    omit: true,
    show: (run: ProgramRunView) => runText(run),
    // It has shown what was asked for, however the run ended.
    fails: () => null,
  },
  {
    words: 'program cancel <run>',
    summary: 'end a run with everything that it runs',
    examples: ['oxbow program cancel 0fd2b0d1', 'oxbow program cancel 0fd2b0d1 --dry-run'],
    call: 'program.cancel',
    async preview({ run }, ask) {
      const found = await ask('program.show', { run: run! })
      const { id, program, status } = found
      const target = { id, program, status }
      if (!isGoingOn(found)) return { would: '', nothing: endedText(target), target }
      return { would: cancelRun(id, program).would, target }
    },
    show: (run: OutputOf<'program.cancel'>) => (run.cancelled ? cancelRun(run.id, run.program).done : endedText(run)),
  },
  ...packageVerbs,
  switchVerb('enable', 'switch a program on again', 'oxbow program enable tidy'),
  switchVerb('disable', 'switch a program off: it does not run until it is switched on', 'oxbow program disable tidy'),
]

function switchVerb(word: 'enable' | 'disable', summary: string, example: string): ServiceVerb {
  return { words: `program ${word} <program>`, summary, examples: [example], call: `program.${word}` }
}

const endedText = ({ id, status }: Pick<ProgramRunView, 'id' | 'status'>): string => `${id} has ended already: ${status}.`

/** As the page of workflows says it: one that is ready runs when a person starts it, and neither starts by itself nor is seen by agents. */
const stateText = ({ enabled, active }: Pick<ProgramView, 'enabled' | 'active'>): string => (enabled ? (active ? 'on' : 'ready') : 'off')

function listText(programs: readonly ProgramView[]): string {
  const rows = programs.map(
    ({ name, version, kind, place, enabled, active, problem, description, hides_own: hides, on_trial: isTried }) => [
      plainLine(name, nameChars),
      version,
      kind,
      hides ? `${place}, hides yours` : place,
      problem === '' ? `${stateText({ enabled, active })}${enabled && isTried ? ', on trial' : ''}` : 'broken',
      plainLine(problem === '' ? description : problem, 100),
    ],
  )
  return table([['NAME', 'VERSION', 'BY', 'FROM', 'STATE', ''], ...rows])
}

/** @throws OxbowError `bad_input` */
function inputsOf(text: string): JsonObject {
  const parsed = parseObject(text)
  if (parsed !== null) return parsed
  throw new OxbowError('bad_input', '--inputs is not a JSON object', { hint: `For example: --inputs '{"folder": "/shared/notes"}'` })
}

/** Of one look at a run, which waits for its end. */
const lookS = 2

/** Says what it waits for, until it has ended. */
async function endOf(begun: ProgramRunView, ask: AskCall, tell: (text: string) => void): Promise<ProgramRunView> {
  let run = begun
  while (isGoingOn(run)) {
    if (run.status === 'waiting') tell(`${plainLine(run.program, nameChars)} waits for an approval: oxbow approve`)
    run = await ask('program.show', { run: run.id, wait_s: lookS })
  }
  return run
}

function resultText({ result, printed }: ProgramRunView): string {
  const said = typeof result === 'string' ? plainText(result) : result === null ? '' : JSON.stringify(result, null, 2)
  return [plainText(printed.trimEnd()), said].filter((part) => part !== '').join('\n')
}

function planText({ program, version, rights, missing }: ProgramRunView): string {
  const lines = [
    `${plainLine(program, nameChars)} ${version} would run with these rights:`,
    ...rights.map((each) => `  ${plainLine(each, valueChars)}`),
  ]
  const without = missing.map((each) => `  ${plainLine(each, valueChars)}`)
  return [...lines, ...(without.length === 0 ? [] : ['and without these, which you cannot give:', ...without])].join('\n')
}

function endText({ id, status, failure }: ProgramRunView): string {
  const why = failure === null ? '' : `${failure.code}: ${failureSentences(failure)}\n`
  return plainText(`${why}${id}: ${status}`)
}

function runTable(runs: readonly ProgramRunView[], isAll: boolean): string {
  if (runs.length === 0)
    return isAll ? 'No program has run yet.' : 'No program is running. `oxbow program runs --all` shows those that have ended.'
  const ids = runs.map(({ id }) => id)
  const rows = runs.map((run) => [
    shortId(run.id, ids),
    plainLine(run.program, nameChars),
    run.version,
    run.waiting_for === '' ? run.status : `${run.status} (${run.waiting_for})`,
    formatTime(run.created_at),
    `${run.spent.tokens} tokens`,
  ])
  return table([['ID', 'PROGRAM', 'VERSION', 'STATUS', 'SINCE', 'SPENT'], ...rows])
}

function runText(run: ProgramRunView): string {
  const { id, program, version, status, waiting_for: waits, spent, created_at: began, ended_at: ended, session } = run
  const head = [
    `${plainLine(program, nameChars)} ${version} (${id}): ${status}${waits === '' ? '' : `, ${waits}`}`,
    `began ${formatTime(began)}${ended === null ? '' : `, ended ${formatTime(ended)}`}, ${spent.tokens} tokens, ${formatMoney(spent.micro_dollars)}`,
    `its calls: oxbow audit show --session ${session}`,
  ]
  const failure = run.failure === null ? [] : [plainText(`${run.failure.code}: ${run.failure.message}\n${run.failure.hint}`)]
  const result = resultText(run)
  return [head.join('\n'), ...failure, ...(result === '' ? [] : [result])].join('\n\n')
}
