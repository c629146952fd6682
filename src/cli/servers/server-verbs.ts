/** Definitions of `servers`, for servers of tools that speak MCP; verbs of one call are in `connect`. */
import { type AddVerbs, dryRunOption, collect, examples, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

const jsonOption = ['--json', 'print the output as one JSON value'] as const

export const addServerVerbs: AddVerbs = (program, terminal, choose) => {
  const servers = verbGroup(
    program.command('servers'),
    'add servers of tools that speak MCP, approve what they offer, turn them off',
    'oxbow servers add files --program-folder ~/mcp --folder /shared -- node /opt/server/index.js /shared',
    'oxbow servers approve files',
  )
  const load = () => import('./servers.ts')
  userVerb(
    servers.command('add <name> [command...]'),
    'add a server, or change its settings; nothing of it is offered before you approve it',
  )
    .option('--url <url>', 'address of a server that is reached over HTTP, instead of a command')
    .option('--from <file>', 'read the settings of this name from a file like .mcp.json')
    .option('--program-folder <folder>', 'folder where the program is installed; it is shown at /opt/server, read-only')
    .option('--folder <folder>', 'let it see /shared, or /shared/NAME; with :rw also write there; repeat for more', collect)
    .option('--allow <host>', 'let it reach this host; repeat for more', collect)
    .option('--env <name=value>', 'set a variable; $NAME is the secret NAME; repeat for more', collect)
    .option('--header <name=value>', 'send a header to --url; $NAME is the secret NAME; repeat for more', collect)
    .option('--client-id <id>', 'client that you have registered at --url, for `servers login`')
    .option('--client-secret <secret>', 'its secret, as $NAME of a secret')
    .option('--timeout <seconds>', 'end a call after this time', parseCount(3_600, 1))
    .option(
      '--sampling-tokens <tokens>',
      'let it ask models, up to so many tokens a day; each question asks you',
      parseCount(100_000_000, 1),
    )
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples(
        'oxbow servers add files --program-folder ~/mcp --folder /shared -- node /opt/server/index.js /shared',
        "oxbow servers add tickets --url https://mcp.example.com/mcp --header 'authorization=Bearer $TICKETS_TOKEN'",
        'oxbow servers add weather --from .mcp.json',
      ),
    )
    .action((name, command, options) => choose(async () => (await load()).serversAdd(name, command, options, terminal)))
  addInstallVerbs(servers, terminal, choose)
  addPromptVerbs(servers, terminal, choose)
  userVerb(servers.command('login <server>'), 'sign in to a server in your browser')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers login tickets'))
    .action((name, options) => choose(async () => (await load()).serversLogin(name, options, terminal)))
  userVerb(servers.command('remove <server>'), 'remove a server and its approval')
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers remove files', 'oxbow servers remove files --dry-run'))
    .action((name, options) => choose(async () => (await load()).serversRemove(name, options, terminal)))
}

/** Where programs of servers come from. */
const addInstallVerbs: AddVerbs = (servers, terminal, choose) => {
  userVerb(
    servers.command('install <name> <package> [arguments...]'),
    'install a server from npm, after you have seen all its packages, and add it',
  )
    .option('--bin <program>', 'program of the package, if it has several')
    .option('--folder <folder>', 'let it see /shared, or /shared/NAME; with :rw also write there; repeat for more', collect)
    .option('--allow <host>', 'let it reach this host; repeat for more', collect)
    .option('--env <name=value>', 'set a variable; $NAME is the secret NAME; repeat for more', collect)
    .option('--digest <digest>', 'install without a question what was shown with this digest')
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples('oxbow servers install files @modelcontextprotocol/server-filesystem@2026.8.31 --folder /shared -- /shared'),
    )
    .action((name, spec, args, options) =>
      choose(async () => (await import('./server-install.ts')).serversInstall(name, spec, args, options, terminal)),
    )
  servers
    .command('discover')
    .description('list servers that other programs have in .mcp.json and files like it')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers discover'))
    .action((options) => choose(async () => (await import('./server-install.ts')).serversDiscover(options, terminal)))
}

const addPromptVerbs: AddVerbs = (servers, terminal, choose) => {
  const load = () => import('./servers.ts')
  userVerb(servers.command('prompts <server>'), 'list the prompts of a server, with their arguments')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers prompts tickets'))
    .action((name, options) => choose(async () => (await load()).serversPrompts(name, options, terminal)))
  userVerb(servers.command('prompt <server> <prompt> [arguments...]'), 'show a prompt of a server; /prompt in a chat sends it')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers prompt tickets triage project=oxbow'))
    .action((name, prompt, values, options) =>
      choose(async () => (await load()).serversPrompt([name, prompt, ...values], options, terminal)),
    )
}
