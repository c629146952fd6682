/** Definitions of `coders`: coding agents of others that speak the Agent Client Protocol. */
import { Option } from 'commander'
import { type AddVerbs, collect, dryRunOption, examples, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

const jsonOption = ['--json', 'print the output as one JSON value'] as const

export const addCoderVerbs: AddVerbs = (program, terminal, choose) => {
  const coders = verbGroup(
    program.command('coders'),
    'add coding agents of others that speak ACP, approve and remove them',
    'oxbow coders add helper --program-folder ~/helper --allow api.example.com -- node /opt/server/agent.js',
    'oxbow coders approve helper',
  )
  const load = () => import('./coders.ts')
  userVerb(coders.command('list'), 'list coding agents, and whether they are approved')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow coders list', 'oxbow coders list --json'))
    .action((options) => choose(async () => (await load()).codersList(options, terminal)))
  userVerb(coders.command('add <name> <command...>'), 'add a coding agent, or change its settings; you approve it before it is offered')
    .option('--description <text>', 'what it is good at, for the agents that choose it')
    .option('--program-folder <folder>', 'folder where the program is installed; it is shown at /opt/server, read-only')
    .addOption(
      new Option('--files <how>', 'a branch of the workspace, the workspace to read, or no files').choices(['branch', 'read', 'none']),
    )
    .option('--allow <host>', 'let it reach this host; repeat for more', collect)
    .option('--env <name=value>', 'set a variable; $NAME is the secret NAME; repeat for more', collect)
    .option('--timeout <seconds>', 'end a task after this time', parseCount(86_400, 1))
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples(
        'oxbow coders add helper --program-folder ~/helper --allow api.example.com -- node /opt/server/agent.js',
        "oxbow coders add reviewer --files read --env 'API_KEY=$REVIEWER_KEY' --allow api.example.com -- /opt/server/bin/reviewer --acp",
      ),
    )
    .action((name, command, options) => choose(async () => (await load()).codersAdd(name, command, options, terminal)))
  userVerb(coders.command('show <name>'), 'start a coding agent and show what it is, and whether it is as you have approved it')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow coders show helper'))
    .action((name, options) => choose(async () => (await load()).codersShow(name, options, terminal)))
  userVerb(coders.command('approve <name>'), 'show what a coding agent is, and approve it')
    .option('--digest <digest>', 'approve without a question what `show --json` has shown with this digest')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow coders approve helper', 'oxbow coders approve helper --digest 5f1d'))
    .action((name, options) => choose(async () => (await load()).codersApprove(name, options, terminal)))
  userVerb(coders.command('remove <name>'), 'remove a coding agent and its approval')
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow coders remove helper', 'oxbow coders remove helper --dry-run'))
    .action((name, options) => choose(async () => (await load()).codersRemove(name, options, terminal)))
}
