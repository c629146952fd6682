/** The verbs that talk with an agent, and let it work. */
import { type AddVerbs, collect, examples, guestVerb, userVerb } from '../verb-parts.ts'

export const addTalkVerbs: AddVerbs = (program, terminal, choose) => {
  guestVerb(program.command('chat', { isDefault: true }), 'talk with the agent in the terminal')
    .option('--session <id>', 'continue a session; the beginning of its id is enough')
    .addHelpText('after', examples('oxbow chat', 'oxbow chat --session 019a', 'oxbow chat --model gpt-5-mini'))
    .action((options) => choose(async () => (await import('./chat.ts')).chat(options, terminal)))

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
    .action((text, options) => choose(async () => (await import('./run.ts')).run(text, options, terminal)))

  userVerb(program.command('approve [call]'), 'run a call that waits for approval; without an id, list what waits')
    .option('--deny', 'refuse it instead')
    .addHelpText('after', examples('oxbow approve', 'oxbow approve 019a', 'oxbow approve 019a --deny'))
    .action((call, options) => choose(async () => (await import('./approve.ts')).approve(call, options, terminal)))

  guestVerb(program.command('serve'), 'run the guest without a terminal until Ctrl+C')
    .addHelpText('after', examples('oxbow serve', 'oxbow serve --user ada'))
    .action((options) => choose(async () => (await import('./serve.ts')).serve(options, terminal)))
}
