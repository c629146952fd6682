/** Definitions of `call` and `events`. */
import { type AddVerbs, collect, examples, parseCount, userVerb } from '../verb-parts.ts'

const jsonOption = ['--json', 'print the output as one JSON value'] as const

export const addCallVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('call <name> [input]'), 'make a system call; the input is JSON, read from standard input when it is piped')
    .option('--session <id>', 'make the call in this session')
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
    .option('--session <id>', 'only events of this session')
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
}
