/** The verbs a person types. Each loads its own code when it is chosen. */
import { Command } from 'commander'
import { reportFailure } from './failure-report.ts'
import { maxToolMemoryMib, maxToolSeconds } from './limits.ts'
import { columnsOf, printNotice } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { addEmbedVerbs } from './embed/embed-verbs.ts'
import { addMemoryVerbs } from './memory/memory-verbs.ts'
import { addSessionVerbs } from './sessions/session-verbs.ts'
import { addSecretVerbs } from './store/key-verbs.ts'
import { addStoreVerbs } from './store/store-verbs.ts'
import { wrapWords } from './wrap/wrap-words.ts'
import { collect, examples, guestVerb, parseCount, userVerb, type Verb } from './verb-parts.ts'

/** Exit code of a command line that cannot be understood, as `bad_input`. */
const usageExit = 2
/** Descriptions are wrapped as long as they have so many columns beside the names; Commander's own 40 leave them to a terminal of 80. */
const leastHelpColumns = 16

/** Parses the arguments (without program names) and runs the verb. @returns the exit code; never throws. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let verb: Verb | null = null
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
    return verb === null ? 0 : await (verb as Verb)()
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
      writeErr: (text) => terminal.errors.write(text),
    })
    .configureHelp({ minWidthToWrap: leastHelpColumns })
    .showHelpAfterError('hint: --help behind a verb lists what it takes')
  program
    .description('A local-first operating system for AI agents. Without a verb: chat.')
    .version(terminal.version, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', examples('oxbow', 'oxbow run "summarise the files here"', 'git diff | oxbow run "review this" --json'))

  addTalkingVerbs(program, terminal, choose)
  addAskingVerbs(program, terminal, choose)
  return program
}

function addTalkingVerbs(program: Command, terminal: Terminal, choose: (verb: Verb) => void): void {
  guestVerb(program.command('chat', { isDefault: true }), 'talk with the agent in the terminal')
    .option('--session <id>', 'continue a session; the beginning of its id is enough')
    .addHelpText('after', examples('oxbow chat', 'oxbow chat --session 019a', 'oxbow chat --model gpt-5-mini'))
    .action((options) => choose(async () => (await import('./verbs/chat.ts')).chat(options, terminal)))

  guestVerb(program.command('run [text...]'), 'run one turn and print the reply; piped text is added to the message')
    .option('--session <id>', 'continue a session; the beginning of its id is enough')
    .option('--json', 'print one JSON object instead of the reply')
    .option('--yes', 'approve every call of this turn that asks')
    .option('--attach <file>', 'send a file with the message; may be given again', collect)
    .addHelpText(
      'after',
      examples(
        'oxbow run "list the files here"',
        'oxbow run "what did you do?" --session 019a',
        'cat notes.txt | oxbow run "summarise" --json',
        'oxbow run "what is this?" --attach photo.jpg',
      ),
    )
    .action((text, options) => choose(async () => (await import('./verbs/run.ts')).run(text, options, terminal)))

  userVerb(program.command('approve [call]'), 'run a call that waits for approval; without an id, list what waits')
    .option('--deny', 'refuse it instead')
    .addHelpText('after', examples('oxbow approve', 'oxbow approve 019a', 'oxbow approve 019a --deny'))
    .action((call, options) => choose(async () => (await import('./verbs/approve.ts')).approve(call, options, terminal)))

  guestVerb(program.command('serve'), 'run the guest without a terminal until Ctrl+C')
    .addHelpText('after', examples('oxbow serve', 'oxbow serve --user ada'))
    .action((options) => choose(async () => (await import('./verbs/serve.ts')).serve(options, terminal)))
}

function addAskingVerbs(program: Command, terminal: Terminal, choose: (verb: Verb) => void): void {
  addSessionVerbs(program, terminal, choose)

  userVerb(program.command('media <session>'), 'list the files that an agent has sent in a session, or save them')
    .option('--save <folder>', 'write them into this folder; none that is there is replaced')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow media 019a', 'oxbow media 019a --save ~/Downloads'))
    .action((session, options) => choose(async () => (await import('./media/media-verb.ts')).media(session, options, terminal)))

  userVerb(program.command('calls [name]'), 'list every system call with its tier and right; with a name, its input')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow calls', 'oxbow calls file.edit'))
    .action((name, options) => choose(async () => (await import('./verbs/calls.ts')).calls(name, options, terminal)))

  addModelVerbs(program, terminal, choose)
  addWasmVerb(program, terminal, choose)
  addImageVerb(program, terminal, choose)
  addSecretVerbs(program, terminal, choose)
  addStoreVerbs(program, terminal, choose)
  addMemoryVerbs(program, terminal, choose)
  addEmbedVerbs(program, terminal, choose)

  const audit = program.command('audit').description('check and read the journal').helpOption('-h, --help', 'show help')
  audit.addHelpText('after', examples('oxbow audit verify', 'oxbow audit show --limit 20'))
  userVerb(audit.command('verify'), 'check chain, signed heads and completeness of the journal')
    .option('--json', 'print the report as one JSON object')
    .addHelpText('after', examples('oxbow audit verify', 'oxbow audit verify --json'))
    .action((options) => choose(async () => (await import('./verbs/audit.ts')).auditVerify(options, terminal)))
  userVerb(audit.command('show'), 'print records of the journal, the newest ones unless --after is given')
    .option('--session <id>', 'records of this session only; the beginning of its id is enough')
    .option('--after <seq>', 'begin after this record', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--limit <n>', 'most records to print', parseCount(Number.MAX_SAFE_INTEGER), 50)
    .option('--json', 'print one whole record a line')
    .addHelpText('after', examples('oxbow audit show', 'oxbow audit show --after 100 --limit 1000 --json'))
    .action((options) => choose(async () => (await import('./verbs/audit.ts')).auditShow(options, terminal)))
  userVerb(audit.command('recording <session>'), 'print the exchanges of a session with its models, for the replay model')
    .addHelpText('after', examples('oxbow audit recording 019a > session.jsonl'))
    .action((session, options) => choose(async () => (await import('./verbs/audit.ts')).auditRecording(session, options, terminal)))

  guestVerb(program.command('status'), 'show what this machine offers, and what is missing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow status'))
    .action((options) => choose(async () => (await import('./verbs/status.ts')).status(options, terminal)))
  userVerb(program.command('doctor'), 'try out what this machine offers, and say how to get what is missing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow doctor', 'oxbow doctor --json'))
    .action((options) => choose(async () => (await import('./machine/doctor.ts')).doctor(options, terminal)))
}

function addModelVerbs(program: Command, terminal: Terminal, choose: (verb: Verb) => void): void {
  userVerb(program.command('models [provider]'), 'list models with size, price and abilities')
    .option('--discover', 'find model services that run on this machine, and how to use them')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow models anthropic', 'oxbow models --json', 'oxbow models --discover'))
    .action((provider, options) => choose(async () => (await import('./verbs/models.ts')).models(provider, options, terminal)))

  const catalog = program
    .command('catalog')
    .description('what is known of models, and where it is from')
    .helpOption('-h, --help', 'show help')
  catalog.addHelpText('after', examples('oxbow catalog show openai/gpt-5', 'oxbow catalog refresh'))
  userVerb(catalog.command('refresh'), 'fetch newer facts and prices, and show what they change')
    .option('--url <url>', 'an api.json in the schema of models.dev', 'https://models.dev/api.json')
    .option('--json', 'print the report as one JSON object')
    .addHelpText('after', examples('oxbow catalog refresh', 'oxbow catalog refresh --url https://intranet.example/api.json'))
    .action((options) => choose(async () => (await import('./verbs/catalog.ts')).catalogRefresh(options, terminal)))
  userVerb(catalog.command('verify'), 'check the catalog files, and that every configured model is known and priced')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow catalog verify'))
    .action((options) => choose(async () => (await import('./verbs/catalog.ts')).catalogVerify(options, terminal)))
  userVerb(catalog.command('show <model>'), 'show what is known of one model, and who says so')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow catalog show anthropic/claude-haiku-4-5', 'oxbow catalog show openai/gpt-5 --json'))
    .action((model, options) => choose(async () => (await import('./verbs/catalog.ts')).catalogShow(model, options, terminal)))
}

function addWasmVerb(program: Command, terminal: Terminal, choose: (verb: Verb) => void): void {
  const wasm = program.command('wasm').description('run tools of programs, in memory').helpOption('-h, --help', 'show help')
  wasm.addHelpText('after', examples('oxbow wasm run tool.wasm', 'oxbow wasm run tool.js --input \'{"n": 3}\''))
  userVerb(wasm.command('run <file>'), 'run a module or a JavaScript tool once, with nothing but the folders that are mounted')
    .option('--mount <dir>', 'a folder that the tool sees as /<its name>; dir:rw lets it write there', collect)
    .option('--input <json>', 'its input: on standard input of a command, argument of a function')
    .option('--function <name>', 'call this export with JSON instead of running a command')
    .option('--timeout <seconds>', 'most time it may take', parseCount(maxToolSeconds))
    .option('--memory <mib>', 'most memory it may take', parseCount(maxToolMemoryMib))
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples(
        'oxbow wasm run tool.wasm --mount ./data --mount ./out:rw',
        'oxbow wasm run plugin.wasm --function run --input \'{"text": "hello"}\'',
        'oxbow wasm run tool.mjs --input 3 --json',
      ),
    )
    .action((file, options) => choose(async () => (await import('./machine/wasm.ts')).wasmRun(file, options, terminal)))
}

function addImageVerb(program: Command, terminal: Terminal, choose: (verb: Verb) => void): void {
  const image = program.command('image').description('images for the container and the micro-VM tier').helpOption('-h, --help', 'show help')
  image.addHelpText('after', examples('oxbow image build', 'oxbow image build --with ripgrep,git,python,bash', 'oxbow image build --vm'))
  userVerb(image.command('build'), 'make the image that containers run, from programs of this machine; nothing is downloaded for them')
    .option('--with <names>', 'further programs: ripgrep, git, python, bash, browser')
    .option('--engine <name>', 'podman or docker instead of the configured one')
    .option('--vm', 'make what micro VMs start from; a kernel package of Debian is downloaded once')
    .option('--kernel <file>', 'with --vm: this package linux-image-…-cloud-amd64.deb, and no download')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow image build', 'oxbow image build --with ripgrep,git,python,bash', 'oxbow image build --vm'))
    .action((options) => choose(async () => (await import('./machine/image.ts')).imageBuild(options, terminal)))
}

/** Commander ends help, version and usage errors with an exception that has said everything already. */
function isCommanderEnd(error: unknown): error is { exitCode: number } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.') && 'exitCode' in error
}
