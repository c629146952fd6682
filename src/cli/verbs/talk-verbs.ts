/** Definitions of `chat`, `run`, `acp`, `approve`, `serve`, `start`, `stop`, `restart`, `logs`, `sessions`, `media`, `calls` and `audit`. */
import { logLevels, logRoles } from '../../base/index.ts'
import { Option } from 'commander'
import { maxListedSessions } from '../limits.ts'
import { isInteractive } from '../terminal.ts'
import {
  type AddVerbs,
  agentOption,
  alwaysJson,
  collect,
  examples,
  guestVerb,
  ownOptions,
  parseCount,
  plainVerb,
  userVerb,
  verbGroup,
} from '../verb-parts.ts'

const continueOption = (): Option => new Option('--continue', 'continue your newest session').conflicts('session')

const folderOption = (): Option => new Option('--folder <path>', 'let the agent work in this folder; asks the first time')

export const addTalkVerbs: AddVerbs = (program, terminal, choose) => {
  guestVerb(program.command('tui', { isDefault: true }), 'chat in the full-screen terminal, or in a plain chat where that is not possible')
    .addOption(continueOption())
    .option('--session <session>', 'continue this session; the first characters of its id are enough')
    .addOption(folderOption())
    .option(...agentOption)
    .addHelpText(
      'after',
      examples('oxbow', 'oxbow --continue', 'oxbow tui --agent alfred', 'oxbow tui --session 019a', 'NO_COLOR=1 oxbow tui'),
    )
    .action((options) =>
      choose(async () => {
        if (!isInteractive(terminal) || terminal.env['TERM'] === 'dumb') return (await import('../chat/chat.ts')).chat(options, terminal)
        return (await import('../chat/full-screen.ts')).fullScreen(options, terminal)
      }),
    )
  guestVerb(program.command('chat'), 'chat with the agent, line by line')
    .addOption(continueOption())
    .option('--session <session>', 'continue this session; the first characters of its id are enough')
    .addOption(folderOption())
    .option(...agentOption)
    .addHelpText('after', examples('oxbow chat', 'oxbow chat --continue', 'oxbow chat --agent alfred', 'oxbow chat --model gpt-5-mini'))
    .action((options) => choose(async () => (await import('../chat/chat.ts')).chat(options, terminal)))

  guestVerb(program.command('run [text...]'), 'send one message and print the reply; piped text is added to the message')
    .addOption(continueOption())
    .option('--session <session>', 'continue this session; the first characters of its id are enough')
    .option('--json', 'print one JSON object instead of the reply')
    .option('--yes', 'approve every call that asks, for this turn, but not what was refused')
    .option('--attach <file>', 'attach a file; repeat for more', collect)
    .addOption(folderOption())
    .option(...agentOption)
    .addHelpText(
      'after',
      examples(
        'oxbow run "list the files here"',
        'oxbow run --continue "now fix the second one"',
        'oxbow run --session 019a "what did you do?"',
        'oxbow run --agent alfred "what is on today?"',
        'cat notes.txt | oxbow run "summarise" --json',
        'oxbow run "what is this?" --attach photo.jpg',
      ),
    )
    .action((text, options) => choose(async () => (await import('./run.ts')).run(text, options, terminal)))

  guestVerb(program.command('web'), 'open Oxbow in the browser: prints a link that signs it in')
    .option('--no-open', 'print the link only')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow web', 'oxbow web --no-open'))
    .action((options) => choose(async () => (await import('../web.ts')).web(options, terminal)))

  plainVerb(program.command('login <address>'), 'sign in at an Oxbow elsewhere by OpenID Connect, and print a key for programs')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow login https://oxbow.example.com', 'oxbow login http://node-2:7700/users/ann'))
    .action((address, options) => choose(async () => (await import('../cluster/login.ts')).login(address, options, terminal)))

  guestVerb(program.command('acp'), 'serve an editor as its agent: the Agent Client Protocol on stdin and stdout')
    .addHelpText('after', examples('oxbow acp', 'oxbow acp --user ada --model gpt-5-mini'))
    .action((options) => choose(async () => (await import('../acp/serve-editor.ts')).acp(options, terminal)))

  userVerb(program.command('approve [call]'), 'approve a waiting call; without an id, list waiting calls')
    .option('--deny', 'deny the call')
    .option('--json', 'print one JSON object for each call')
    .addHelpText('after', examples('oxbow approve', 'oxbow approve 019a', 'oxbow approve 019a --deny'))
    .action((call, options) => choose(async () => (await import('./approve.ts')).approve(call, options, terminal)))
}

const allOption = ['--all', 'all users instead of one'] as const
const envOption = ['-e, --env <variable>', 'variable for the guest, KEY=VALUE; repeat for more', collect] as const
const envFileOption = ['--env-file <file>', 'file with variables for the guest, KEY=VALUE on each line'] as const

export const addServeVerbs: AddVerbs = (program, terminal, choose) => {
  const load = () => import('../daemon/run-users.ts')
  guestVerb(program.command('serve'), 'run Oxbow in the foreground until Ctrl+C')
    .option(...envOption)
    .option(...envFileOption)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow serve', 'oxbow serve --user ada', 'oxbow serve --env-file keys.env'))
    .action((options) => choose(async () => (await load()).serve(options, terminal)))
  guestVerb(program.command('start'), 'run Oxbow in the background, until `oxbow stop`')
    .option(...allOption)
    .option(...envOption)
    .option(...envFileOption)
    .option('--tui', 'open the full-screen terminal when it runs')
    .option('--json', 'print one JSON object, or one per line')
    .addHelpText('after', examples('oxbow start', 'oxbow start --all', 'oxbow start --env-file keys.env --tui'))
    .action((options) => choose(async () => (await load()).start(options, terminal)))
  userVerb(program.command('stop'), 'stop what `oxbow start` or `oxbow serve` runs; open turns continue at the next start')
    .option(...allOption)
    .option('--json', 'print one JSON object, or one per line')
    .addHelpText('after', examples('oxbow stop', 'oxbow stop --all'))
    .action((options) => choose(async () => (await load()).stop(options, terminal)))
  guestVerb(program.command('restart'), 'stop Oxbow and start it again, with the configuration as it is now')
    .option(...allOption)
    .option(...envOption)
    .option(...envFileOption)
    .option('--json', 'print one JSON object, or one per line')
    .addHelpText('after', examples('oxbow restart', 'oxbow restart --all'))
    .action((options) => choose(async () => (await load()).restart(options, terminal)))
  guestVerb(program.command('mcp'), 'serve MCP on stdin and stdout, for a program that starts it: Claude Code, Cursor, Zed, VS Code')
    .option('--right <right>', 'right or role of the program; repeat for more (default: analyst, turn.send, session.read)', collect)
    .option('--key-env <name>', 'use the API key in this variable instead of one made for this run')
    .option(...alwaysJson)
    .addHelpText('after', examples('oxbow mcp', 'oxbow mcp --right worker --right call.decide'))
    .action((options) => choose(async () => (await import('../mcp-bridge.ts')).mcpBridge(options, terminal)))
  userVerb(program.command('logs'), 'print what went on inside: the guest, its sandbox, plugins, and what keeps them')
    .option(...allOption)
    .option('--role <role>', `whose lines: ${logRoles.join(', ')}; repeat for more (default: all)`, collect)
    .option('--since <time>', 'lines since a time (2026-11-26T10:00) or in the last 90s, 15m, 2h or 7d')
    .option('--turn <turn>', 'lines of one turn, by the beginning of its id')
    .addOption(new Option('--level <level>', 'lines of this level and of more urgent ones').choices(logLevels).default('info'))
    .option('--lines <n>', 'lines to print', parseCount(100_000, 1), 50)
    .addOption(new Option('--format <format>', 'as a person or a program reads them').choices(['text', 'json']).default('text'))
    .option('-f, --follow', 'go on printing, until Ctrl+C')
    .option('--json', 'the same as --format json')
    .addHelpText(
      'after',
      examples(
        'oxbow logs',
        'oxbow logs -f',
        'oxbow logs --since 15m --level warn',
        'oxbow logs --role plugins --format json',
        'oxbow logs --all',
      ),
    )
    .action((options) => choose(async () => (await load()).logs(options, terminal)))
}

export const addSessionVerbs: AddVerbs = (program, terminal, choose) => {
  const sessions = userVerb(program.command('sessions'), 'list and manage sessions, newest first')
    .option('--limit <n>', 'maximum number of sessions to list', parseCount(maxListedSessions, 1), 50)
    .option('--archived', 'include archived sessions')
    .option('--search <words>', 'list sessions with these words in the title')
    .option('--empty', 'include sessions in which nothing was said: programs and editors begin them when they connect')
    .option('--tree', 'show the agents of each session below it')
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      examples(
        'oxbow sessions',
        'oxbow sessions --tree',
        'oxbow sessions --search taxes --archived',
        'oxbow sessions rename 019a "Taxes 2026"',
      ),
    )
    .action((options) => choose(async () => (await import('./sessions.ts')).sessions(options, terminal)))
  ownOptions(sessions)

  userVerb(sessions.command('show <session>'), 'print a session: your messages, numbered, with their replies')
    .option('--json', 'print one JSON object per message')
    .addHelpText('after', examples('oxbow sessions show 019a'))
    .action((session, options) => choose(async () => (await import('./sessions.ts')).showSession(session, options, terminal)))
  userVerb(sessions.command('rename <session> <title...>'), 'rename a session')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions rename 019a "Taxes 2026"'))
    .action((session, title, options) =>
      choose(async () => (await import('./sessions.ts')).renameSession(session, title, options, terminal)),
    )
  userVerb(sessions.command('archive <session>'), 'archive a session: hide it from lists')
    .option('--undo', 'restore an archived session')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions archive 019a', 'oxbow sessions archive 019a --undo'))
    .action((session, options) => choose(async () => (await import('./sessions.ts')).archiveSession(session, options, terminal)))
  userVerb(sessions.command('fork <session>'), 'start a new session from a point in another one')
    .option('--at <number>', 'number of your last message to keep, as `sessions show` counts them', parseCount(Number.MAX_SAFE_INTEGER, 1))
    .option('--title <title>', 'title of the new session')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions fork 019a', 'oxbow sessions fork 019a --at 3 --title "Another way"'))
    .action((session, options) => choose(async () => (await import('./sessions.ts')).forkSession(session, options, terminal)))
  userVerb(sessions.command('export <session>'), 'write a session as a file, with the hashes of what was attached')
    .addOption(new Option('--format <format>', 'JSON, or Markdown for people').choices(['json', 'markdown']).default('json'))
    .option('--output <file>', 'write a new file; without it, print')
    .option('--json', 'print one JSON object about the file')
    .addHelpText('after', examples('oxbow sessions export 019a --format markdown', 'oxbow sessions export 019a --output taxes.json'))
    .action((session, options) => choose(async () => (await import('../store/session-files.ts')).exportSession(session, options, terminal)))
  userVerb(sessions.command('import <file>'), 'make a session of an exported file; nothing in it is run')
    .option('--title <title>', 'title of the new session')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions import taxes.json'))
    .action((file, options) => choose(async () => (await import('../store/session-files.ts')).importSession(file, options, terminal)))
  userVerb(sessions.command('delete <session>'), 'delete a session, also from memory and the journal')
    .addOption(new Option('--dry-run', 'show what would be deleted, and stop').conflicts('yes'))
    .option('--yes', 'delete; without it, show what would be deleted')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow sessions delete 019a', 'oxbow sessions delete 019a --yes'))
    .action((session, options) => choose(async () => (await import('./sessions.ts')).deleteSession(session, options, terminal)))

  userVerb(program.command('media <session>'), 'list or save the files that an agent sent in a session')
    .option('--save <folder>', 'save them to this folder; existing files are kept')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow media 019a', 'oxbow media 019a --save ~/Downloads'))
    .action((session, options) => choose(async () => (await import('./media.ts')).media(session, options, terminal)))
}

export const addAuditVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('calls [system-call]'), 'list system calls, or describe one')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow calls', 'oxbow calls file.edit'))
    .action((name, options) => choose(async () => (await import('./audit.ts')).calls(name, options, terminal)))

  const audit = verbGroup(program.command('audit'), 'verify and read the journal', 'oxbow audit verify', 'oxbow audit show --limit 20')
  userVerb(
    audit.command('verify [file]'),
    'verify the journal: its chain, the signed heads, its completeness; or a file that was exported or archived',
  )
    .option('--json', 'print the report as one JSON object')
    .addHelpText('after', examples('oxbow audit verify', 'oxbow audit verify --json', 'oxbow audit verify journal-1-45210.jsonl.zst'))
    .action((file, options) =>
      choose(async () =>
        file === undefined
          ? (await import('./audit.ts')).auditVerify(options, terminal)
          : (await import('../store/audit-file.ts')).auditVerifyFile(file, options, terminal),
      ),
    )
  userVerb(audit.command('show'), 'print journal records, by default the newest')
    .option('--session <session>', 'only records of this session; the first characters of its id are enough')
    .option('--after <seq>', 'start after this record', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--limit <n>', 'maximum number of records to print', parseCount(Number.MAX_SAFE_INTEGER), 50)
    .option('--json', 'print one complete record per line')
    .addHelpText('after', examples('oxbow audit show', 'oxbow audit show --after 100 --limit 1000 --json'))
    .action((options) => choose(async () => (await import('./audit.ts')).auditShow(options, terminal)))
  userVerb(audit.command('export'), 'print the whole journal with a signed end, which oxbow-verify checks')
    .option('--after <seq>', 'only records after this one', parseCount(Number.MAX_SAFE_INTEGER), 0)
    .option('--otlp', 'print traces for a collector of OpenTelemetry instead, one request of OTLP a line')
    .option('--content', 'with --otlp: also what people, models and tools said')
    .option(...alwaysJson)
    .addHelpText('after', examples('oxbow audit export > journal.jsonl', 'oxbow audit export --otlp > traces.jsonl'))
    .action((options) =>
      choose(async () => {
        const { auditExport, auditTraces } = await import('./audit.ts')
        return options.otlp === true ? auditTraces(options, terminal) : auditExport(options, terminal)
      }),
    )
  userVerb(audit.command('key'), 'print the public key that signs heads and exports')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow audit key > oxbow.pem'))
    .action((options) => choose(async () => (await import('./audit.ts')).auditKey(options, terminal)))
  userVerb(audit.command('recording <session>'), 'print the model exchanges of a session, for replay')
    .option(...alwaysJson)
    .addHelpText('after', examples('oxbow audit recording 019a > session.jsonl'))
    .action((session, options) => choose(async () => (await import('./audit.ts')).auditRecording(session, options, terminal)))
}
