/** Definitions of `approvals` and `exec run`. */
import { Option } from 'commander'
import { type AddVerbs, collect, examples, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

export const addApprovalVerbs: AddVerbs = (program, terminal, choose) => {
  const approvals = verbGroup(
    program.command('approvals'),
    'list and decide waiting calls, and the rules that allow calls for good',
    'oxbow approvals list',
    'oxbow approvals rules',
  )
  const load = () => import('./approvals.ts')
  userVerb(approvals.command('list'), 'list waiting calls, with the rules that approving them can keep')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow approvals list'))
    .action((options) => choose(async () => (await load()).approvalsList(options, terminal)))
  userVerb(approvals.command('approve <call>'), 'approve a waiting call')
    .addOption(new Option('--always <scope>', 'allow such calls for good').choices(['call', 'pattern', 'session', 'folder']))
    .option('--input <json>', 'run this input instead of the one that waits')
    .option('--answer <field=value>', 'answer a form of a server; repeat for more fields', collect)
    .option('--json', 'print the output as one JSON value')
    .addHelpText(
      'after',
      examples(
        'oxbow approvals approve 019a',
        'oxbow approvals approve 019a --always pattern',
        `oxbow approvals approve 019a --input '{"command": "ls"}'`,
      ),
    )
    .action((call, options) => choose(async () => (await load()).approvalsApprove(call, options, terminal)))
  userVerb(approvals.command('deny <call>'), 'deny a waiting call')
    .option('--reason <text>', 'tell the agent why')
    .option('--json', 'print the output as one JSON value')
    .addHelpText('after', examples('oxbow approvals deny 019a --reason "keep the file until Friday"'))
    .action((call, options) => choose(async () => (await load()).approvalsDeny(call, options, terminal)))
}

export const addExecVerbs: AddVerbs = (program, terminal, choose) => {
  const exec = verbGroup(
    program.command('exec'),
    'list and change the programs that run without a shell, and run one',
    'oxbow exec allow "git log **"',
    'oxbow exec run -- git log --oneline',
  )
  const load = () => import('./exec.ts')
  userVerb(exec.command('run <binary> [args...]'), 'run a program in the sandbox, without a shell, and exit with its exit code')
    .option('--cwd <folder>', 'folder to run it in; default: /shared')
    .option('--env <name=value>', 'set a variable; repeat for more', collect)
    .option('--timeout <seconds>', 'end it after this time', parseCount(600, 1))
    .option('--json', 'print the output as one JSON value')
    .addHelpText('after', examples('oxbow exec run -- git log --oneline', 'oxbow exec run --cwd /shared/site -- npm run build'))
    .action((binary, args, options) => choose(async () => (await load()).execRun(binary, args, options, terminal)))
}
