/** Definitions of `upgrade` and `downgrade`. */
import { type AddVerbs, dryRunOption, examples, plainVerb } from '../verb-parts.ts'

export const addUpgradeVerbs: AddVerbs = (program, terminal, choose) => {
  const load = () => import('./upgrade.ts')
  plainVerb(
    program.command('upgrade [version]'),
    'change to a newer version: tried on a copy first, backed up, and taken back if it does not stay well',
  )
    .option('--from <file>', 'package next to its signed SHA256SUMS, instead of from upgrade.source')
    .option('--list', 'list the versions on this machine, and stop')
    .option('--dry-run', 'get it and try it on a copy, and stop')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples(
        'oxbow upgrade',
        'oxbow upgrade --list',
        'oxbow upgrade 1.3.0 --dry-run',
        'oxbow upgrade --from ~/Downloads/oxbow-1.3.0-linux-x64.tar.gz',
      ),
    )
    .action((version, options) => choose(async () => (await load()).upgrade(version, options, terminal)))
  plainVerb(program.command('downgrade [version]'), 'go back to an older version on this machine; nothing written since is lost')
    .option(...dryRunOption)
    .option('--yes', 'do not ask about what the older version cannot read')
    .option('--json', 'print one JSON object, and ask nothing')
    .addHelpText('after', examples('oxbow downgrade --dry-run', 'oxbow downgrade 1.2.0'))
    .action((version, options) => choose(async () => (await load()).downgrade(version, options, terminal)))
}
