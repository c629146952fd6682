/** Definitions of `call`, `state`, `events`, `resources` and `schedule`. */
import { Option } from 'commander'
import { type AddVerbs, collect, dryRunOption, examples, parseAmount, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

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

export const addStateVerbs: AddVerbs = (program, terminal, choose) => {
  const state = verbGroup(
    program.command('state'),
    'list, show, save and delete saved documents',
    'oxbow state list projects',
    'oxbow state load projects/oxbow',
  )
  userVerb(state.command('list <category>'), 'list the documents of a category')
    .option('--after <name>', 'continue after this name')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow state list projects', 'oxbow state list projects --json'))
    .action((category, options) => choose(async () => (await import('./call.ts')).stateList(category, options, terminal)))
  userVerb(state.command('load <document>'), 'print a document')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow state load projects/oxbow', 'oxbow state load projects/oxbow --json'))
    .action((path, options) => choose(async () => (await import('./call.ts')).stateLoad(path, options, terminal)))
  userVerb(state.command('save <document> [text]'), 'save a document; without a text, from standard input')
    .option('--markdown', 'the text is Markdown, not JSON')
    .option('--if-version <n>', 'save only over this version; 0: only if there is none', parseCount(Number.MAX_SAFE_INTEGER))
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples(`oxbow state save projects/oxbow '{"status": "active"}'`, 'oxbow state save notes/today --markdown < today.md'),
    )
    .action((path, text, options) => choose(async () => (await import('./call.ts')).stateSave(path, text, options, terminal)))
  userVerb(state.command('delete <document>'), 'delete a document')
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow state delete projects/oxbow'))
    .action((path, options) => choose(async () => (await import('./call.ts')).stateDelete(path, options, terminal)))
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
  userVerb(program.command('resources'), 'show what the machine and the guest use')
    .option('--history <n>', 'also show this many earlier samples', parseCount(10_000), 0)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow resources', 'oxbow resources --history 10'))
    .action((options) => choose(async () => (await import('./observe.ts')).showResources(options, terminal)))
}

export const addScheduleVerbs: AddVerbs = (program, terminal, choose) => {
  const schedule = verbGroup(
    program.command('schedule'),
    'schedule goals for an agent, and see what they did',
    'oxbow schedule add "summarise what changed in /shared" --cron "0 7 * * 1-5"',
    'oxbow schedule list',
  )
  const load = () => import('./schedule.ts')
  userVerb(schedule.command('add <goal...>'), 'schedule a goal')
    .option('--cron <expression>', 'minute, hour, day, month, weekday; with six fields, seconds first')
    .option('--zone <name>', 'time zone of the expression, e.g. Europe/Berlin; default: that of this machine')
    .option('--every <seconds>', 'seconds from one run to the next', parseCount(366 * 24 * 3_600, 1))
    .option('--at <time>', 'run once, e.g. at 2027-01-31T09:00:00+01:00')
    .option('--name <name>', 'short name; default: the beginning of the goal')
    .addOption(new Option('--misfire <policy>', 'times that passed while Oxbow was off').choices(['skip', 'once', 'all']))
    .option('--grace <seconds>', 'how late a run may begin', parseCount(86_400 * 31, 1))
    .addOption(new Option('--overlap <policy>', 'when its last run still runs').choices(['skip', 'queue', 'parallel']))
    .addOption(new Option('--notify <policy>', 'when you hear of a run').choices(['always', 'conditional', 'never']))
    .option('--retries <n>', 'retries of a failed run', parseCount(10))
    .option('--timeout <seconds>', 'stop a run after this time', parseCount(86_400, 10))
    .option('--fresh', 'each run begins without the earlier ones')
    .option('--max-tokens <n>', 'model tokens that a run may use', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--max-money <dollars>', 'dollars that a run may use', parseAmount)
    .option('--max-calls <n>', 'calls that a run may make', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--max-seconds <n>', 'time that calls of a run may run', parseCount(Number.MAX_SAFE_INTEGER))
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples('oxbow schedule add "check the backups" --every 3600', 'oxbow schedule add "plan my day" --cron "0 7 * * *"'),
    )
    .action((goal, options) => choose(async () => (await load()).scheduleAdd(goal, options, terminal)))
  userVerb(schedule.command('list'), 'list schedules, the next one first')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow schedule list'))
    .action((options) => choose(async () => (await load()).scheduleList(options, terminal)))
  userVerb(schedule.command('runs <schedule>'), 'list the runs of a schedule, newest first')
    .option('--limit <n>', 'maximum number of runs to list', parseCount(100, 1), 20)
    .option('--output', 'print the whole reply of the newest run instead')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow schedule runs 019a', 'oxbow schedule runs 019a --output'))
    .action((id, options) => choose(async () => (await load()).scheduleRuns(id, options, terminal)))
  userVerb(schedule.command('run <schedule>'), 'run a schedule now, beside its times')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow schedule run 019a'))
    .action((id, options) => choose(async () => (await load()).scheduleTrigger(id, options, terminal)))
  userVerb(schedule.command('pause <schedule>'), 'pause a schedule')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow schedule pause 019a'))
    .action((id, options) => choose(async () => (await load()).schedulePause(id, options, terminal)))
  userVerb(schedule.command('resume <schedule>'), 'resume a schedule that is paused or disabled')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow schedule resume 019a'))
    .action((id, options) => choose(async () => (await load()).scheduleResume(id, options, terminal)))
  userVerb(schedule.command('remove <schedule>'), 'delete a schedule and the list of its runs')
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow schedule remove 019a'))
    .action((id, options) => choose(async () => (await load()).scheduleRemove(id, options, terminal)))
}
