/** Definitions of `call`, `events`, `costs`, `agents` and `top`. */
import { Option } from 'commander'
import { type AddVerbs, collect, examples, ownOptions, parseCount, userVerb } from '../verb-parts.ts'

const jsonOption = ['--json', 'print the output as one JSON value'] as const

export const addCallVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(
    program.command('call <system-call> [input]'),
    'make a system call; the input is JSON, read from standard input when it is piped',
  )
    .option('--session <session>', 'make the call in this session')
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples(
        'oxbow call budget.show --json',
        `oxbow call file.read '{"path": "/shared/notes.md"}'`,
        'oxbow call state.save < document.json',
      ),
    )
    .action((name, input, options) => choose(async () => (await import('./call.ts')).makeCall(name, input, options, terminal)))
}

export const addObserveVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('events'), 'list what happened last, or follow what happens')
    .option('--follow', 'print events as they happen, until Ctrl+C')
    .option('--kind <kind>', 'only events of this kind, such as turn_ended or approval_*; repeat for more', collect)
    .option('--session <session>', 'only events of this session')
    .option('--after <seq>', 'start after this record', parseCount(Number.MAX_SAFE_INTEGER))
    .option(
      '--limit <n>',
      'maximum number of events to list: the newest, or with --after the first',
      parseCount(Number.MAX_SAFE_INTEGER, 1),
      100,
    )
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow events --limit 20', 'oxbow events --follow --kind "approval_*"', 'oxbow events --follow --json'))
    .action((options) => choose(async () => (await import('./observe.ts')).watchEvents(options, terminal)))
  userVerb(program.command('costs'), 'show what models cost, by day, model, session, agent, program or user')
    .addOption(
      new Option('--by <what>', 'what to sum by; user: all users of this home')
        .choices(['day', 'model', 'session', 'agent', 'program', 'user'])
        .default('day'),
    )
    .option('--since <day>', 'the first day: 2026-11-01, 30d, or all', '30d')
    .option('--until <day>', 'the last day; default: today')
    .option('--limit <n>', 'most lines to show', parseCount(1_000, 1), 100)
    .option('--verify', 'count all records again and compare them with the sums and the ledger')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow costs', 'oxbow costs --by model --since 7d', 'oxbow costs --verify'))
    .action((options) => choose(async () => (await import('./costs.ts')).showCosts(options, terminal)))
}

export const addAgentVerbs: AddVerbs = (program, terminal, choose) => {
  const agents = userVerb(program.command('agents').alias('ps'), 'list agents, with what they do and use')
    .option('--tree', 'show which agent started which')
    .option('--all', 'also those that have ended')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow agents', 'oxbow agents --tree --all'))
    .action((options) => choose(async () => (await import('./agents.ts')).listAgents(options, terminal)))
  ownOptions(agents)
  userVerb(program.command('top'), 'show what agents do and spend, until Ctrl+C')
    .option('--all', 'every user of this home, with their guests')
    .option('--once', 'print it once')
    .option('--interval <seconds>', 'seconds between two looks', parseCount(3_600, 1), 2)
    .option('--json', 'print one JSON object per look')
    .addHelpText('after', examples('oxbow top', 'oxbow top --once', 'oxbow top --all'))
    .action((options) =>
      choose(async () =>
        options.all === true
          ? (await import('./top-all.ts')).watchUsers(options, terminal)
          : (await import('./agents.ts')).watchAgents(options, terminal),
      ),
    )
}
