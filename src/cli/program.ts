/** The verbs a person types. Each loads its own code when it is chosen. */
import { Command } from 'commander'
import { columnsOf, printNotice, reportFailure, type Terminal } from './terminal.ts'
import { addEmbedVerbs, addMachineVerbs, addModelVerbs, addSecretVerbs, addStoreVerbs } from './verbs/machine-verbs.ts'
import { addMemoryVerbs } from './verbs/memory-verbs.ts'
import { addAuditVerbs, addSessionVerbs, addTalkVerbs } from './verbs/talk-verbs.ts'
import { writtenOut } from './view/terminal-text.ts'
import { wrapWords } from './screen/word-wrap.ts'
import { examples, type Verb } from './verb-parts.ts'

/** In the order of the help. */
const families = [
  addTalkVerbs,
  addSessionVerbs,
  addAuditVerbs,
  addModelVerbs,
  addMachineVerbs,
  addSecretVerbs,
  addStoreVerbs,
  addMemoryVerbs,
  addEmbedVerbs,
]

/** Exit code of a command line that cannot be understood, as `bad_input`. */
const usageExit = 2
/** Descriptions are wrapped as long as they have so many columns beside the names; Commander's own 40 leave them to a terminal of 80. */
const leastHelpColumns = 16

/** Parses the arguments (without program names) and runs the verb. @returns the exit code; never throws. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let verb: Verb = () => Promise.resolve(0)
  const program = buildProgram(terminal, (chosen) => {
    verb = chosen
  })
  // Every other word would be taken for an argument of the default verb.
  const [first = ''] = args
  if (/^[^-]/.test(first) && first !== 'help' && !program.commands.some((command) => command.name() === first)) {
    printNotice(
      terminal,
      `error: there is no verb ${JSON.stringify(first)}\nhint: oxbow --help lists them; a message goes behind run: oxbow run "…"`,
    )
    return usageExit
  }
  try {
    await program.parseAsync(args, { from: 'user' })
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
    .configureHelp({ minWidthToWrap: leastHelpColumns })
    .showHelpAfterError('hint: --help behind a verb lists what it takes')
  program
    .description('A local-first operating system for AI agents. Without a verb: chat.')
    .version(terminal.version, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', examples('oxbow', 'oxbow run "summarise the files here"', 'git diff | oxbow run "review this" --json'))

  for (const add of families) add(program, terminal, choose)
  return program
}

/** Commander ends help, version and usage errors with an exception that has said everything already. */
function isCommanderEnd(error: unknown): error is { exitCode: number } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.') && 'exitCode' in error
}
