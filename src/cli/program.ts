/** The verbs a person types. Each loads its own code when it is chosen. */
import { Command } from 'commander'
import { columnsOf, printNotice, reportFailure, type Terminal } from './terminal.ts'
import { addEmbedVerbs, addMachineVerbs, addConfigVerbs, addModelVerbs, addSecretVerbs, addStoreVerbs } from './verbs/machine-verbs.ts'
import { addAgentVerbs } from './kernel/agent-verbs.ts'
import { addAccessVerbs, addApprovalVerbs, addExecVerbs } from './kernel/access-verbs.ts'
import { addBudgetVerbs } from './kernel/budget-verbs.ts'
import { addCallVerbs, addObserveVerbs, addScheduleVerbs, addStateVerbs } from './kernel/kernel-verbs.ts'
import { addFolderVerbs, addVersionVerbs } from './kernel/version-verbs.ts'
import { addMemoryVerbs } from './verbs/memory-verbs.ts'
import { addAuditVerbs, addSessionVerbs, addTalkVerbs } from './verbs/talk-verbs.ts'
import { writtenOut } from '../terminal/index.ts'
import { wrapWords } from './screen/word-wrap.ts'
import { examples, type Verb } from './verb-parts.ts'

/** In the order of the help. */
const families = [
  addTalkVerbs,
  addApprovalVerbs,
  addAccessVerbs,
  addExecVerbs,
  addSessionVerbs,
  addAuditVerbs,
  addConfigVerbs,
  addModelVerbs,
  addMachineVerbs,
  addSecretVerbs,
  addStoreVerbs,
  addMemoryVerbs,
  addEmbedVerbs,
  addAgentVerbs,
  addVersionVerbs,
  addFolderVerbs,
  addStateVerbs,
  addScheduleVerbs,
  addBudgetVerbs,
  addObserveVerbs,
  addCallVerbs,
]

/** Exit code of a command line that cannot be understood, as `bad_input`. */
const usageExit = 2
/** Narrowest column in which Commander wraps descriptions; its default of 40 leaves them unwrapped on a terminal of 80 columns. */
const minHelpColumns = 16

/** Parses the arguments (without program names) and runs the verb. @returns the exit code; never throws. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let verb: Verb = () => Promise.resolve(0)
  const program = buildProgram(terminal, (chosen) => {
    verb = chosen
  })
  // Commander would pass any other word to the default verb as an argument.
  const [first = ''] = args
  const names = program.commands.map((command) => command.name())
  if (/^[^-]/.test(first) && first !== 'help' && !names.includes(first)) {
    printNotice(
      terminal,
      `error: there is no verb ${JSON.stringify(first)}${suggestion(first, names)}\n` +
        'hint: oxbow --help lists the verbs; to send a message, type oxbow run "…"',
    )
    return usageExit
  }
  try {
    await program.parseAsync(withList(args, program), { from: 'user' })
    return await verb()
  } catch (error) {
    if (!isCommanderEnd(error)) return reportFailure(terminal, error)
    return error.exitCode === 0 ? 0 : usageExit
  }
}

export function buildProgram(terminal: Terminal, choose: (verb: Verb) => void): Command {
  const program = new Command('oxbow')
  // Inherited by the verbs below, so it comes first.
  program
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.output.write(wrapWords(text, columnsOf(terminal.output))),
      writeErr: (text) => terminal.errors.write(writtenOut(text)),
    })
    .configureHelp({ minWidthToWrap: minHelpColumns })
    .showHelpAfterError('hint: add --help to see the options')
  program
    .description('A local-first operating system for AI agents. Without a verb: chat.')
    .version(terminal.version, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', examples('oxbow', 'oxbow run "summarise the files here"', 'git diff | oxbow run "review this" --json'))

  for (const add of families) add(program, terminal, choose)
  return program
}

/** @returns the arguments; a group of verbs alone, such as `oxbow schedule`, lists what there is */
function withList(args: readonly string[], program: Command): readonly string[] {
  const [first, second = '--'] = args
  const group = program.commands.find((command) => command.name() === first)
  if (!second.startsWith('-') || second === '-h' || second === '--help') return args
  return group?.commands.some((command) => command.name() === 'list') === true ? [first!, 'list', ...args.slice(1)] : args
}

/** Commander throws after help, version and usage errors; it has printed everything by then. */
function isCommanderEnd(error: unknown): error is { exitCode: number } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.') && 'exitCode' in error
}

function suggestion(typed: string, names: readonly string[]): string {
  const [nearest] = names.map((name) => ({ name, edits: editDistance(typed, name) })).toSorted((a, b) => a.edits - b.edits)
  return nearest === undefined || nearest.edits > maxTypos ? '' : `; did you mean ${nearest.name}?`
}

/** With more edits it is another word, not a typo. */
const maxTypos = 2

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const above = row
    row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
  }
  return row[b.length] ?? 0
}
