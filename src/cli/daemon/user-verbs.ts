/** Definitions of `user` and `service`. */
import { Option } from 'commander'
import { type AddVerbs, alwaysJson, examples, parseCount, plainVerb, verbGroup } from '../verb-parts.ts'

const json = ['--json', 'print one JSON object'] as const
const maxMegabytes = 16 * 1024 * 1024

export const addUserVerbs: AddVerbs = (program, terminal, choose) => {
  const load = () => import('./users.ts')
  const user = verbGroup(
    program.command('user'),
    'the users of this home, or as root of this machine: add, list, set, remove',
    'oxbow user list',
    'oxbow user add ada',
    'sudo oxbow user set ada --memory 4096 --processes 400',
    'oxbow user remove ada',
  )
  const limits = (command: ReturnType<typeof user.command>) =>
    command
      .option('--cpu-weight <n>', 'share of the processors when they are scarce; 100 is usual', parseCount(10_000, 1))
      .option('--memory <megabytes>', 'memory of all its processes; 0: no limit', parseCount(maxMegabytes))
      .option('--processes <n>', 'processes and threads at once', parseCount(1_000_000, 16))
      .option('--disk <megabytes>', 'disk quota, where the file system has one; 0: none', parseCount(maxMegabytes))
      .option('--env-file <file>', 'file with variables for its guest, read at each start')
      .option(...json)
  plainVerb(user.command('list'), 'list the users')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow user list'))
    .action((options) => choose(async () => (await load()).userList(options, terminal)))
  plainVerb(user.command('show <name>'), 'show a user: home, settings, and whether Oxbow runs')
    .option(...json)
    .addHelpText('after', examples('oxbow user show ada'))
    .action((name, options) => choose(async () => (await load()).userShow(name, options, terminal)))
  limits(plainVerb(user.command('add <name>'), 'add a user; on a machine, a Unix user that exists'))
    .addHelpText('after', examples('oxbow user add ada', 'sudo oxbow user add ada --memory 4096'))
    .action((name, options) => choose(async () => (await load()).userAdd(name, options, terminal)))
  limits(plainVerb(user.command('set <name>'), 'change the settings of a user'))
    .addHelpText('after', examples('sudo oxbow user set ada --cpu-weight 50'))
    .action((name, options) => choose(async () => (await load()).userSet(name, options, terminal)))
  plainVerb(user.command('remove <name>'), 'stop a user and move everything they had aside; asks first')
    .option('--purge', 'erase it instead, also what was moved aside before; the signed heads stay')
    .addOption(new Option('--dry-run', 'show what would happen and change nothing').conflicts('yes'))
    .option('--yes', 'do not ask')
    .option(...json)
    .addHelpText('after', examples('oxbow user remove ada', 'oxbow user remove ada --purge --yes'))
    .action((name, options) => choose(async () => (await load()).userRemove(name, options, terminal)))
}

export const addServiceUnitVerbs: AddVerbs = (program, terminal, choose) => {
  const load = () => import('./service.ts')
  const service = verbGroup(
    program.command('service'),
    'let the system start the daemon: systemd, launchd or the Windows task scheduler',
    'oxbow service install',
    'sudo oxbow service install --system',
    'oxbow service status',
  )
  const kinds = (command: ReturnType<typeof service.command>) =>
    command
      .option('--system', 'for all users of this machine, as root')
      .addOption(
        new Option('--for <manager>', 'whose unit, where it is not the one of this system').choices(['systemd', 'launchd', 'windows']),
      )
  kinds(plainVerb(service.command('install'), 'install the daemon as a service and start it'))
    .option('--print', 'print the unit, and install nothing')
    .option(...alwaysJson)
    .addHelpText('after', examples('oxbow service install', 'sudo oxbow service install --system', 'oxbow service install --print'))
    .action((options) => choose(async () => (await load()).serviceInstall(options, terminal)))
  kinds(plainVerb(service.command('uninstall'), 'stop the daemon and remove the service'))
    .option('--print', 'print what would be done, and do nothing')
    .option(...alwaysJson)
    .addHelpText('after', examples('oxbow service uninstall'))
    .action((options) => choose(async () => (await load()).serviceUninstall(options, terminal)))
  plainVerb(service.command('status'), 'show whether the daemon runs, and what is missing')
    .option('--system', 'of the machine')
    .option(...json)
    .addHelpText('after', examples('oxbow service status', 'oxbow service status --json'))
    .action((options) => choose(async () => (await load()).serviceStatus(options, terminal)))
}
