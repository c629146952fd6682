/** `oxbow sessions`: the list, and what keeps it in order; `oxbow media`: what was sent in one. */
import { maxListedSessions } from '../limits.ts'
import { type AddVerbs, examples, parseCount, userVerb } from '../verb-parts.ts'

export const addSessionVerbs: AddVerbs = (program, terminal, choose) => {
  const sessions = userVerb(program.command('sessions'), 'list sessions, newest activity first; rename, put away, fork and delete them')
    .option('--limit <n>', 'most sessions to list', parseCount(maxListedSessions, 1), 50)
    .option('--archived', 'also those that were put away')
    .option('--search <words>', 'only those with these words in their title')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow sessions', 'oxbow sessions --search taxes --archived', 'oxbow sessions rename 019a "Taxes 2026"'))
    .action((options) => choose(async () => (await import('./session-list.ts')).sessions(options, terminal)))
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
      choose(async () => (await import('./session-changes.ts')).renameSession(session, title, options, terminal)),
    )
  userVerb(sessions.command('archive <session>'), 'put a session away: lists leave it out, and all of it stays')
    .option('--undo', 'bring it back')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions archive 019a', 'oxbow sessions archive 019a --undo'))
    .action((session, options) => choose(async () => (await import('./session-changes.ts')).archiveSession(session, options, terminal)))
  userVerb(sessions.command('fork <session>'), 'start a session that goes on from a point of another one')
    .option('--at <number>', 'the #number of the last message that both share', parseCount(Number.MAX_SAFE_INTEGER, 1))
    .option('--title <title>', 'title of the new one')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions fork 019a', 'oxbow sessions fork 019a --at 42 --title "Another way"'))
    .action((session, options) => choose(async () => (await import('./session-changes.ts')).forkSession(session, options, terminal)))
  userVerb(sessions.command('delete <session>'), 'erase all that was said in a session, also from memory and from the journal')
    .option('--yes', 'do it; without it, what would go is told')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions delete 019a', 'oxbow sessions delete 019a --yes'))
    .action((session, options) => choose(async () => (await import('./session-changes.ts')).deleteSession(session, options, terminal)))

  userVerb(program.command('media <session>'), 'list the files that an agent has sent in a session, or save them')
    .option('--save <folder>', 'write them into this folder; none that is there is replaced')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow media 019a', 'oxbow media 019a --save ~/Downloads'))
    .action((session, options) => choose(async () => (await import('../media/media-verb.ts')).media(session, options, terminal)))
}
