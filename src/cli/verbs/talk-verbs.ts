/** The verbs that talk with an agent, and let it work. */
import { Option } from 'commander'
import { maxListedSessions } from '../limits.ts'
import { type AddVerbs, collect, examples, guestVerb, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

const continueOption = (): Option => new Option('--continue', 'continue the newest session').conflicts('session')

export const addTalkVerbs: AddVerbs = (program, terminal, choose) => {
  guestVerb(program.command('chat', { isDefault: true }), 'talk with the agent in the terminal')
    .addOption(continueOption())
    .option('--session <id>', 'continue this session; the first characters of its id are enough')
    .addHelpText('after', examples('oxbow chat', 'oxbow chat --continue', 'oxbow chat --session 019a', 'oxbow chat --model gpt-5-mini'))
    .action((options) => choose(async () => (await import('../chat/chat.ts')).chat(options, terminal)))

  guestVerb(program.command('run [text...]'), 'run one turn and print the reply; piped text is added to the message')
    .addOption(continueOption())
    .option('--session <id>', 'continue this session; the first characters of its id are enough')
    .option('--json', 'print one JSON object instead of the reply')
    .option('--yes', 'approve every call of this turn that asks')
    .option('--attach <file>', 'send a file with the message; may be given again', collect)
    .addHelpText(
      'after',
      examples(
        'oxbow run "list the files here"',
        'oxbow run --continue "now fix the second one"',
        'oxbow run --session 019a "what did you do?"',
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

/** `oxbow sessions`: the list, and what keeps it in order; `oxbow media`: what was sent in one. */

export const addSessionVerbs: AddVerbs = (program, terminal, choose) => {
  const sessions = userVerb(program.command('sessions'), 'list sessions, newest activity first; rename, put away, fork and delete them')
    .option('--limit <n>', 'most sessions to list', parseCount(maxListedSessions, 1), 50)
    .option('--archived', 'also those that were put away')
    .option('--search <words>', 'only those with these words in their title')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow sessions', 'oxbow sessions --search taxes --archived', 'oxbow sessions rename 019a "Taxes 2026"'))
    .action((options) => choose(async () => (await import('./sessions.ts')).sessions(options, terminal)))
  // The list has options of its own: without this it takes those of the verbs below for them, and `--user` and `--json` with them.
  sessions.enablePositionalOptions().hook('preSubcommand', (list, verb) => {
    for (const name of ['user', 'json']) {
      if (list.getOptionValueSource(name) === 'cli') verb.setOptionValue(name, list.getOptionValue(name))
    }
  })

  userVerb(sessions.command('rename <session> <title...>'), 'give a session another title')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions rename 019a "Taxes 2026"'))
    .action((session, title, options) =>
      choose(async () => (await import('./sessions.ts')).renameSession(session, title, options, terminal)),
    )
  userVerb(sessions.command('archive <session>'), 'put a session away: lists leave it out, and all of it stays')
    .option('--undo', 'bring it back')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions archive 019a', 'oxbow sessions archive 019a --undo'))
    .action((session, options) => choose(async () => (await import('./sessions.ts')).archiveSession(session, options, terminal)))
  userVerb(sessions.command('fork <session>'), 'start a session that goes on from a point of another one')
    .option('--at <number>', 'the #number of the last message that both share', parseCount(Number.MAX_SAFE_INTEGER, 1))
    .option('--title <title>', 'title of the new one')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions fork 019a', 'oxbow sessions fork 019a --at 42 --title "Another way"'))
    .action((session, options) => choose(async () => (await import('./sessions.ts')).forkSession(session, options, terminal)))
  userVerb(sessions.command('delete <session>'), 'erase all that was said in a session, also from memory and from the journal')
    .option('--yes', 'do it; without it, what would go is told')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions delete 019a', 'oxbow sessions delete 019a --yes'))
    .action((session, options) => choose(async () => (await import('./sessions.ts')).deleteSession(session, options, terminal)))

  userVerb(program.command('media <session>'), 'list the files that an agent has sent in a session, or save them')
    .option('--save <folder>', 'write them into this folder; none that is there is replaced')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow media 019a', 'oxbow media 019a --save ~/Downloads'))
    .action((session, options) => choose(async () => (await import('./media.ts')).media(session, options, terminal)))
}

/** `oxbow calls` and `oxbow audit`: what can be called, and what was. */

export const addAuditVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('calls [name]'), 'list every system call with its tier and right; with a name, its input')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow calls', 'oxbow calls file.edit'))
    .action((name, options) => choose(async () => (await import('./audit.ts')).calls(name, options, terminal)))

  const audit = verbGroup(program.command('audit'), 'check and read the journal', 'oxbow audit verify', 'oxbow audit show --limit 20')
  userVerb(audit.command('verify'), 'check chain, signed heads and completeness of the journal')
    .option('--json', 'print the report as one JSON object')
    .addHelpText('after', examples('oxbow audit verify', 'oxbow audit verify --json'))
    .action((options) => choose(async () => (await import('./audit.ts')).auditVerify(options, terminal)))
  userVerb(audit.command('show'), 'print records of the journal, the newest ones unless --after is given')
    .option('--session <id>', 'records of this session only; the beginning of its id is enough')
    .option('--after <seq>', 'begin after this record', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--limit <n>', 'most records to print', parseCount(Number.MAX_SAFE_INTEGER), 50)
    .option('--json', 'print one whole record a line')
    .addHelpText('after', examples('oxbow audit show', 'oxbow audit show --after 100 --limit 1000 --json'))
    .action((options) => choose(async () => (await import('./audit.ts')).auditShow(options, terminal)))
  userVerb(audit.command('recording <session>'), 'print the exchanges of a session with its models, for the replay model')
    .addHelpText('after', examples('oxbow audit recording 019a > session.jsonl'))
    .action((session, options) => choose(async () => (await import('./audit.ts')).auditRecording(session, options, terminal)))
}
