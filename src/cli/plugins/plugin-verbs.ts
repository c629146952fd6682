/** Definitions of `plugin`, for programs of others that add actions, providers and the like. */
import { type AddVerbs, dryRunOption, examples, plainVerb, userVerb, verbGroup } from '../verb-parts.ts'

const grantOption = ['--grant', 'let your agent use it: adds the right to agent.rights in config.toml'] as const
const jsonOption = ['--json', 'print the output as one JSON value'] as const

export const addPluginVerbs: AddVerbs = (program, terminal, choose) => {
  const plugins = verbGroup(
    program.command('plugin'),
    'install plugins, see what they can do, turn them off',
    'oxbow plugin add ./weather',
    'oxbow plugin add npm:@acme/oxbow-weather@1.2.0',
  )
  const load = () => import('./plugins.ts')
  plainVerb(plugins.command('list'), 'list the installed plugins, and whether they run')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin list', 'oxbow plugin list --json'))
    .action((options) => choose(async () => (await load()).pluginList(options, terminal)))
  userVerb(plugins.command('info <plugin>'), 'show what a plugin is, has, and may do')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin info weather'))
    .action((name, options) => choose(async () => (await load()).pluginInfo(name, options, terminal)))
  plainVerb(plugins.command('verify [plugin]'), 'compare the files of plugins with what was approved; of a folder: check its manifest')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin verify', 'oxbow plugin verify weather', 'oxbow plugin verify ./weather'))
    .action((name, options) => choose(async () => (await load()).pluginVerify(name, options, terminal)))
  userVerb(plugins.command('logs <plugin>'), 'show the end of what a plugin has written')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin logs weather'))
    .action((name, options) => choose(async () => (await load()).pluginLogs(name, options, terminal)))
  addInstallVerbs(plugins, terminal, choose)
  addAuthorVerbs(plugins, terminal, choose)
}

/** What changes the list of installed plugins. */
const addInstallVerbs: AddVerbs = (plugins, terminal, choose) => {
  const load = () => import('./plugin-install.ts')
  userVerb(
    plugins.command('add <source>'),
    'install a plugin from a folder, a tarball or npm:NAME@VERSION, after showing you what it can do',
  )
    .option('--manifest <file>', 'manifest for a package that has none')
    .option('--digest <hash>', 'install without a question the files that were shown with this hash')
    .option(...grantOption)
    .option('--dry-run', 'show what it is and may do, and install nothing')
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples(
        'oxbow plugin add ./weather',
        'oxbow plugin add weather-1.2.0.tgz --dry-run',
        'oxbow plugin add npm:@acme/oxbow-weather@1.2.0',
      ),
    )
    .action((source, options) => choose(async () => (await load()).pluginAdd(source, options, terminal)))
  userVerb(plugins.command('update <plugin> [source]'), 'install another version of a plugin, after showing which rights it adds')
    .option('--digest <hash>', 'install without a question the files that were shown with this hash')
    .option('--dry-run', 'show what would change, and install nothing')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin update weather', 'oxbow plugin update weather npm:@acme/oxbow-weather@1.3.0'))
    .action((name, source, options) => choose(async () => (await load()).pluginUpdate(name, source, options, terminal)))
  userVerb(plugins.command('enable <plugin>'), 'load a plugin again')
    .option(...grantOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin enable weather', 'oxbow plugin enable weather --grant'))
    .action((name, options) => choose(async () => (await load()).pluginSwitch(name, true, options, terminal)))
  userVerb(plugins.command('disable <plugin>'), 'end a plugin and load it no more')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin disable weather'))
    .action((name, options) => choose(async () => (await load()).pluginSwitch(name, false, options, terminal)))
  userVerb(plugins.command('reload <plugin>'), 'start a new host of a plugin, which takes over when it works')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin reload weather'))
    .action((name, options) => choose(async () => (await load()).pluginReload(name, options, terminal)))
  userVerb(plugins.command('clear <plugin>'), 'empty what a plugin keeps, with the labels of what it was told')
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin clear weather', 'oxbow plugin clear weather --dry-run'))
    .action((name, options) => choose(async () => (await load()).pluginClear(name, options, terminal)))
  userVerb(plugins.command('remove <plugin>'), 'remove a plugin and its files')
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin remove weather', 'oxbow plugin remove weather --dry-run'))
    .action((name, options) => choose(async () => (await load()).pluginRemove(name, options, terminal)))
}

/** For who writes a plugin. */
const addAuthorVerbs: AddVerbs = (plugins, terminal, choose) => {
  const load = () => import('./plugins.ts')
  plainVerb(plugins.command('new <folder>'), 'make a folder with a plugin to begin with')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin new weather', 'oxbow plugin add ./weather'))
    .action((folder, options) => choose(async () => (await load()).pluginNew(folder, options, terminal)))
  plainVerb(
    plugins.command('sign <folder> <key-file>'),
    'sign the files of a plugin with your Ed25519 key, a file in PEM, which is made if it does not exist',
  )
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin sign ./weather ~/plugin-key.pem'))
    .action((folder, key, options) => choose(async () => (await load()).pluginSign(folder, key, options, terminal)))
  userVerb(plugins.command('test <plugin>'), 'run the tests that an installed plugin has, in its sandbox')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow plugin test weather'))
    .action((name, options) => choose(async () => (await load()).pluginTest(name, options, terminal)))
}
