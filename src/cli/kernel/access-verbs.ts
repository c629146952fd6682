/** Definitions of `approvals`, `keys` and `roles`. */
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
  userVerb(approvals.command('rules'), 'list the rules that allow calls without asking')
    .option('--json', 'print the output as one JSON value')
    .addHelpText('after', examples('oxbow approvals rules'))
    .action((options) => choose(async () => (await load()).approvalsRules(options, terminal)))
  userVerb(approvals.command('revoke <rule>'), 'revoke a rule: such calls ask again')
    .option('--json', 'print the output as one JSON value')
    .addHelpText('after', examples('oxbow approvals revoke 0f3a9c1b2d4e5f6071829304'))
    .action((rule, options) => choose(async () => (await load()).approvalsRevoke(rule, options, terminal)))
}

export const addAccessVerbs: AddVerbs = (program, terminal, choose) => {
  const keys = verbGroup(
    program.command('keys'),
    'make, list and revoke API keys for programs',
    'oxbow keys create ci --right session.read --right turn.send',
    'oxbow keys list',
  )
  const load = () => import('./keys.ts')
  userVerb(keys.command('create <name>'), 'make an API key; it is shown once')
    .option('--right <right>', 'a right, a limited right, a denial, or a role; repeat for more', collect)
    .option('--expires <days>', 'days after which it expires; default: never', parseCount(3_650, 1))
    .option('--json', 'print the output as one JSON value')
    .addHelpText(
      'after',
      examples('oxbow keys create ci --right user --right "!shell.run" --expires 30', 'oxbow keys create reader --right session.read'),
    )
    .action((name, options) => choose(async () => (await load()).keyCreate(name, options, terminal)))
  userVerb(keys.command('list'), 'list API keys with their rights, expiry and last use')
    .option('--json', 'print the output as one JSON value')
    .addHelpText('after', examples('oxbow keys list'))
    .action((options) => choose(async () => (await load()).keyList(options, terminal)))
  userVerb(keys.command('revoke <key>'), 'revoke an API key, by its name or id')
    .option('--json', 'print the output as one JSON value')
    .addHelpText('after', examples('oxbow keys revoke ci'))
    .action((key, options) => choose(async () => (await load()).keyRevoke(key, options, terminal)))
  userVerb(program.command('roles'), 'list the roles with their rights')
    .option('--json', 'print the output as one JSON value')
    .addHelpText('after', examples('oxbow roles'))
    .action((options) => choose(async () => (await load()).roleList(options, terminal)))
}
