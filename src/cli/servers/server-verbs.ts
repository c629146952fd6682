/** Definitions of `servers`, for servers of tools that speak MCP, and `remotes`, for agents of others that speak A2A. */
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
  userVerb(servers.command('list'), 'list servers, whether they run, and what of them is approved')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers list', 'oxbow servers list --json'))
    .action((options) => choose(async () => (await load()).serversList(options, terminal)))
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
  addApprovalVerbs(servers, terminal, choose)
  userVerb(servers.command('login <name>'), 'sign in to a server in your browser')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers login tickets'))
    .action((name, options) => choose(async () => (await load()).serversLogin(name, options, terminal)))
  userVerb(servers.command('disable <name>'), 'end a server and offer none of its tools')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers disable files'))
    .action((name, options) => choose(async () => (await load()).serversSwitch(name, false, options, terminal)))
  userVerb(servers.command('enable <name>'), 'offer the approved tools of a server again')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers enable files'))
    .action((name, options) => choose(async () => (await load()).serversSwitch(name, true, options, terminal)))
  userVerb(servers.command('remove <name>'), 'remove a server and its approval')
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

/** What a server offers. */
const addApprovalVerbs: AddVerbs = (servers, terminal, choose) => {
  const load = () => import('./servers.ts')
  userVerb(servers.command('diff <name>'), 'start a server and show what it offers, beside what you have approved')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers diff files'))
    .action((name, options) => choose(async () => (await load()).serversDiff(name, options, terminal)))
  userVerb(servers.command('approve <name>'), 'show what a server offers, and approve it')
    .option('--tool <tool>', 'approve only this tool; repeat for more', collect)
    .option('--read-only <tool>', 'this tool changes nothing and may be repeated; repeat for more', collect)
    .option('--not-sink <tool>', 'nothing leaves this machine through this tool; repeat for more', collect)
    .option('--no-resources', 'agents may not read its resources')
    .option('--no-prompts', 'you do not use its prompts')
    .option('--digest <digest>', 'approve without a question what `diff --json` has shown with this digest')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers approve files', 'oxbow servers approve files --tool read_file --read-only read_file'))
    .action((name, options) => choose(async () => (await load()).serversApprove(name, options, terminal)))
  userVerb(servers.command('prompts <name>'), 'list the prompts of a server, with their arguments')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers prompts tickets'))
    .action((name, options) => choose(async () => (await load()).serversPrompts(name, options, terminal)))
  userVerb(servers.command('prompt <name> <prompt> [arguments...]'), 'show a prompt of a server; /prompt in a chat sends it')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow servers prompt tickets triage project=oxbow'))
    .action((name, prompt, values, options) =>
      choose(async () => (await load()).serversPrompt([name, prompt, ...values], options, terminal)),
    )
}

export const addRemoteVerbs: AddVerbs = (program, terminal, choose) => {
  const remotes = verbGroup(
    program.command('remotes'),
    'add agents of others that speak A2A, approve their cards, turn them off',
    "oxbow remotes add translator https://agents.example.com --header 'authorization=Bearer $TRANSLATOR_TOKEN'",
    'oxbow remotes approve translator',
  )
  const load = () => import('../kernel/remotes.ts')
  userVerb(remotes.command('list'), 'list agents of others, and whether their cards are approved')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow remotes list', 'oxbow remotes list --json'))
    .action((options) => choose(async () => (await load()).remotesList(options, terminal)))
  userVerb(remotes.command('add <name> <url>'), 'add an agent, or change its settings; it is not offered before you approve its card')
    .option('--header <name=value>', 'send a header with each request; $NAME is the secret NAME; repeat for more', collect)
    .option('--allow <host>', 'let it be reached at this host too, or at its own if that is private; repeat for more', collect)
    .option('--timeout <seconds>', 'cancel a task after this time', parseCount(86_400, 1))
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples(
        'oxbow remotes add translator https://agents.example.com',
        "oxbow remotes add lab http://10.0.0.7:8080 --allow 10.0.0.7:8080 --header 'authorization=Bearer $LAB_TOKEN'",
      ),
    )
    .action((name, url, options) => choose(async () => (await load()).remotesAdd(name, url, options, terminal)))
  userVerb(remotes.command('diff <name>'), 'fetch the card of an agent and show it, beside the one that you have approved')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow remotes diff translator'))
    .action((name, options) => choose(async () => (await load()).remotesDiff(name, options, terminal)))
  userVerb(remotes.command('approve <name>'), 'show the card of an agent, and approve it')
    .option('--digest <digest>', 'approve without a question what `diff --json` has shown with this digest')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow remotes approve translator'))
    .action((name, options) => choose(async () => (await load()).remotesApprove(name, options, terminal)))
  userVerb(remotes.command('disable <name>'), 'do not offer an agent')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow remotes disable translator'))
    .action((name, options) => choose(async () => (await load()).remotesSwitch(name, false, options, terminal)))
  userVerb(remotes.command('enable <name>'), 'offer an agent whose card is approved again')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow remotes enable translator'))
    .action((name, options) => choose(async () => (await load()).remotesSwitch(name, true, options, terminal)))
  userVerb(remotes.command('remove <name>'), 'remove an agent and its approval')
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow remotes remove translator', 'oxbow remotes remove translator --dry-run'))
    .action((name, options) => choose(async () => (await load()).remotesRemove(name, options, terminal)))
}
