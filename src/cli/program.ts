/** The verbs a person types. Each loads its own code when it is chosen. */
import { join } from 'node:path'
import { Argument, Command, Option } from 'commander'
import { type Failure, isOxbowError, OxbowError } from '../base/index.ts'
import { assertKnown, chosenWorkspace, hasOpenMoves, homeRoot } from '../runner/index.ts'
import { columnsOf, printFailure, reportFailure, type Terminal } from './terminal.ts'
import { valueOf } from './early-guest.ts'
import { addApprovalVerbs, addExecVerbs } from './kernel/access-verbs.ts'
import { addClusterVerbs } from './cluster/cluster-verbs.ts'
import { addCharacterVerbs } from './characters/character-verbs.ts'
import { addAgentVerbs, addCallVerbs, addObserveVerbs } from './kernel/kernel-verbs.ts'
import { addPersonaVerbs } from './personas/persona-verbs.ts'
import { addPluginVerbs } from './plugins/plugin-verbs.ts'
import { addServiceVerbs, hintForPeople, type LoadedVerbs, loadServiceVerbs } from './service-verbs.ts'
import { addServerVerbs } from './servers/server-verbs.ts'
import { addServiceUnitVerbs, addUserVerbs } from './daemon/user-verbs.ts'
import { addFolderVerbs, addVersionVerbs } from './kernel/version-verbs.ts'
import { addSkillVerbs } from './skills/skill-verbs.ts'
import { addBackupVerbs, addSecretVerbs, addStoreVerbs } from './store/store-verbs.ts'
import { addEmbedVerbs, addInspectVerbs, addMachineVerbs, addMemoryVerbs, addModelVerbs, addSetupVerbs } from './verbs/machine-verbs.ts'
import { addSpaceVerbs } from './spaces/space-verbs.ts'
import { addUpgradeVerbs } from './upgrade/upgrade-verbs.ts'
import { addAuditVerbs, addServeVerbs, addSessionVerbs, addTalkVerbs } from './verbs/talk-verbs.ts'
import { writtenOut } from '../terminal/index.ts'
import { wrapWords } from './screen/word-wrap.ts'
import { type AddVerbs, defaultUser, examples, plainVerb, suggestion, type Verb } from './verb-parts.ts'

/** In the order of the help, by the heading under which they stand there. */
const families: Readonly<Record<string, readonly AddVerbs[]>> = {
  'Set up:': [addSetupVerbs, addUpgradeVerbs],
  'Talk:': [addTalkVerbs, addSessionVerbs, addSpaceVerbs],
  'Run in the background:': [addServeVerbs, addUserVerbs, addServiceUnitVerbs, addClusterVerbs],
  'Approve and allow:': [addApprovalVerbs, addExecVerbs, addSecretVerbs, addFolderVerbs, addServerVerbs, addSkillVerbs],
  'Agents, schedules, budgets:': [addAgentVerbs, addPersonaVerbs, addCharacterVerbs],
  'Models and memory:': [addModelVerbs, addMemoryVerbs, addEmbedVerbs],
  'Inspect:': [addInspectVerbs, addAuditVerbs, addObserveVerbs],
  'Undo and keep:': [addVersionVerbs, addBackupVerbs, addStoreVerbs],
  'Build and extend:': [addPluginVerbs, addMachineVerbs, addCallVerbs],
}

/** Exit code of a command line that cannot be understood, as `bad_input`. */
const usageExit = 2
/** Narrowest column in which Commander wraps descriptions; its default of 40 leaves them unwrapped on a terminal of 80 columns. */
const minHelpColumns = 16

/** Parses the arguments (without program names) and runs the verb. @returns the exit code; never throws. */
export async function runProgram(typed: readonly string[], given: Terminal): Promise<number> {
  const asked = typed[0] === 'help' && typed.length > 1 ? [...typed.slice(1), '--help'] : typed
  // As it is called where there is one of them.
  const args = asked[0] === 'session' ? ['sessions', ...asked.slice(1)] : asked
  const terminal = { ...given, isJson: wantsJson(args) }
  let verb: Verb = () => Promise.resolve(0)
  const loaded = await verbsFor(args)
  const program = buildProgram(terminal, (chosen) => void (verb = chosen), loaded, meantOf(args))
  const unknown = findUnknown(args, program)
  if (unknown !== null) return printFailure(terminal, unknown)
  try {
    await program.parseAsync(withList(args, program), { from: 'user' })
    await settleMoves(terminal)
    assertSpace(args, terminal)
    return await verb()
  } catch (error) {
    if (!isCommanderEnd(error)) return reportFailure(terminal, await forPeople(error, () => buildProgram(terminal, () => {}, loaded)))
    if (error.exitCode === 0) return 0
    if (terminal.isJson)
      printFailure(terminal, { code: 'bad_input', message: error.message.replace(/^error: /, ''), hint: 'Add --help to see the options.' })
    return usageExit
  }
}

/**
 * Where no user is named, the space in use counts.
 * @throws OxbowError `bad_input` for a space that cannot be
 */
function enterSpace(verb: Command, { env }: Terminal): void {
  const [user, space]: readonly unknown[] = [verb.getOptionValue('user'), verb.getOptionValue('space')]
  const isNamed = typeof space === 'string'
  // A verb that is about all users where none is named has no default.
  if (!isNamed && (typeof user !== 'string' || verb.getOptionValueSource('user') !== 'default')) return
  verb.setOptionValue('user', chosenWorkspace(env, typeof user === 'string' ? user : defaultUser, isNamed ? space : undefined))
}

/** @throws OxbowError `not_found` for a space that is named and is not there: looking into it must not make it */
function assertSpace(args: readonly string[], { env }: Terminal): void {
  const words = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined)
  const space = valueOf('--space', words)
  // A backup may be of a space that is not there yet.
  if (space === undefined || words[0] === 'restore') return
  const root = homeRoot(env)
  assertKnown({ root, runner: join(root, 'runner') }, chosenWorkspace(env, valueOf('--user', words) ?? defaultUser, space))
}

/** Before anything else is done, what a killed move between spaces has left is taken back or finished. */
async function settleMoves(terminal: Terminal): Promise<void> {
  const runner = join(homeRoot(terminal.env), 'runner')
  if (hasOpenMoves(runner)) await (await import('./spaces/move.ts')).finishLeft(terminal)
}

async function forPeople(error: unknown, whole: () => Command): Promise<unknown> {
  if (!isOxbowError(error)) return error
  return new OxbowError(error.code, error.message, { hint: await hintForPeople(error.hint, whole()), data: error.data, cause: error })
}

/** What follows `--` belongs to another program. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end === -1 ? undefined : end).includes('--json')
}

/** Commander would take a word that is no verb for an argument of the default verb, or of the list that a group shows. */
function findUnknown(args: readonly string[], program: Command): Failure | null {
  let group = program
  const path: string[] = []
  for (const [at, word] of args.entries()) {
    if (!/^[^-]/.test(word) || group.commands.length === 0) return null
    const next = group.commands.find((command) => namesOf(command).includes(word))
    if (next === undefined && word === 'help') return null
    // A group that takes words of its own: `oxbow plan "…"`.
    if (next === undefined && path.length > 0 && group.registeredArguments.length > 0)
      return misspelt(word, args.slice(at + 1), path.join(' '), group.commands.flatMap(namesOf))
    if (next === undefined) {
      const inGroup = path.length === 0 ? '' : ` in \`oxbow ${path.join(' ')}\``
      const rest = path.length === 0 ? '; to send a message, type oxbow run "…"' : ''
      return {
        code: 'bad_input',
        message: `there is no verb ${JSON.stringify(word)}${inGroup}${suggestion(word, group.commands.flatMap(namesOf))}`,
        hint: `\`oxbow ${[...path, '--help'].join(' ')}\` lists the verbs${rest}`,
      }
    }
    path.push(word)
    group = next
  }
  return null
}

/** @returns what a word that is near a verb was meant to be, alone or before an id; null: it begins a text */
function misspelt(word: string, rest: readonly string[], group: string, names: readonly string[]): Failure | null {
  const others = rest.filter((each) => !each.startsWith('-'))
  const isAlone = !/\s/.test(word) && others.length <= 1 && others.every((each) => idLike.test(each))
  // More words are near a verb by chance than begin as it does.
  const near = names.filter((name) => name[0] === word[0])
  const meant = isAlone ? suggestion(word, near) : ''
  if (meant === '') return null
  const message = `there is no verb ${JSON.stringify(word)} in \`oxbow ${group}\`${meant}`
  return { code: 'bad_input', message, hint: `if it is the text, type: oxbow ${group} -- ${[word, ...others].join(' ')}` }
}

const idLike = /^(?=.*\d)[0-9a-f][0-9a-f-]{3,}$/

function namesOf(command: Command): readonly string[] {
  return [command.name(), ...command.aliases()]
}

/** @returns the verb that is typed; undefined where the others are needed, too: for the help and for a script of completion */
function meantOf([first = '-']: readonly string[]): string | undefined {
  return first.startsWith('-') || first === 'help' || first === 'completion' ? undefined : first
}

/** A script of completion has all of them. `ps` is `agents`. */
function verbsFor([first = '', ...rest]: readonly string[]): Promise<LoadedVerbs> {
  const isScript = first === 'completion' && !rest.includes('--values')
  return loadServiceVerbs(isScript ? null : first === 'ps' ? 'agents' : first)
}

/** Here, because it runs other verbs for what they list. */
const addCompletion =
  ({ verbs }: LoadedVerbs): AddVerbs =>
  (program, terminal, choose) => {
    plainVerb(program.command('completion'), 'print a script that completes verbs, options and names of what exists: bash, zsh, fish')
      .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
      .addHelpText('after', examples('source <(oxbow completion bash)', 'oxbow completion fish > ~/.config/fish/completions/oxbow.fish'))
      .addOption(new Option('--values <list>', 'names of what exists, for the script').hideHelp())
      .action((shell, { values }) =>
        choose(async () => {
          const { printCompletion, printValues } = await import('./completion.ts')
          if (values === undefined) return printCompletion(shell, program, verbs, terminal)
          const listing = await loadServiceVerbs(/^[^ :]*/.exec(values)?.[0] ?? '')
          return printValues(values, listing.verbs, runProgram, terminal)
        }),
      )
  }

/**
 * @param loaded verbs of services that have their arguments and options; the others have a line in the help
 * @param only a verb to stop at: to make all of them takes a tenth of a start. Absent, or no verb: all are there
 */
export function buildProgram(terminal: Terminal, choose: (verb: Verb) => void, loaded: LoadedVerbs, only?: string): Command {
  const program = new Command('oxbow')
  // Inherited by the verbs below, so it comes first.
  program
    .exitOverride()
    // Without this, an option of a verb below a list counts as one of the list.
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => terminal.output.write(wrapWords(text, columnsOf(terminal.output))),
      // With `--json` it is one object, like any other failure.
      writeErr: (text) => terminal.isJson === true || terminal.errors.write(writtenOut(text)),
    })
    .configureHelp({ minWidthToWrap: minHelpColumns })
    .showHelpAfterError('hint: add --help to see the options')
    .hook('preAction', (_, verb) => {
      assertFilled(verb)
      enterSpace(verb, terminal)
    })
  program
    .description('A local-first operating system for AI agents. Without a verb: chat.')
    .version(terminal.version, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', examples('oxbow', 'oxbow run "summarise the files here"', 'git diff | oxbow run "review this" --json'))

  for (const [heading, adds] of Object.entries(families)) {
    program.commandsGroup(heading)
    const own = heading === 'Set up:' ? [...adds, addCompletion(loaded)] : adds
    const ofServices = addServiceVerbs(heading, loaded)
    for (const add of own) {
      add(program, terminal, choose)
      if (isThere(program, only)) break
    }
    ofServices(program, terminal, choose)
    if (isThere(program, only)) return program
  }
  program.commandsGroup('Help:').helpCommand('help [verb...]', 'show the help of a verb')
  return program
}

const isThere = (program: Command, name: string | undefined): boolean =>
  name !== undefined && program.commands.some((command) => namesOf(command).includes(name))

/**
 * A blank text is a variable of a script that is not set: `oxbow undo "$TURN"` must not undo another turn, nor `folder add "$PROJECT"` add this
 * folder. Words for another program and values of the configuration may be empty.
 * @throws OxbowError `bad_input`
 */
function assertFilled(verb: Command): void {
  const refuse = (what: string): never => {
    throw new OxbowError('bad_input', `${what} is empty`, { hint: 'Is a variable not set? Add --help to see what belongs there.' })
  }
  verb.registeredArguments.forEach((argument, at) => {
    if (argument.name() === 'value' || (argument.variadic && !argument.required)) return
    if ([verb.processedArgs[at]].flat().join('').trim() === '' && verb.processedArgs[at] !== undefined) refuse(argument.name())
  })
  for (const option of verb.options) {
    const value: unknown = verb.getOptionValue(option.attributeName())
    if (verb.getOptionValueSource(option.attributeName()) === 'cli' && [value].flat().some(isBlank)) refuse(option.long ?? option.flags)
  }
}

const isBlank = (value: unknown): boolean => typeof value === 'string' && value.trim() === ''

/** @returns the arguments; a group of verbs alone, such as `oxbow schedule`, lists what there is */
function withList(args: readonly string[], program: Command): readonly string[] {
  const [first, second = '--'] = args
  const group = program.commands.find((command) => namesOf(command).includes(first ?? ''))
  // `agents` alone is a list of its own; what it groups are definitions.
  if (group?.options.some(({ long }) => long === '--user') === true) return args
  if (!second.startsWith('-') || second === '-h' || second === '--help') return args
  return group?.commands.some((command) => command.name() === 'list') === true ? [first!, 'list', ...args.slice(1)] : args
}

/** Commander throws after help, version and usage errors; it has printed everything by then. */
function isCommanderEnd(error: unknown): error is Error & { exitCode: number } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.') && 'exitCode' in error
}
