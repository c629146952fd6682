/** Definitions of `restore` and `folder`. */
import { plainLine } from '../../terminal/index.ts'
import type { Terminal } from '../terminal.ts'
import type { CallOptions } from './call.ts'
import { Option } from 'commander'
import { type AddVerbs, dryRunOption, examples, userVerb, verbGroup } from '../verb-parts.ts'

const jsonOption = ['--json', 'print the output as one JSON value'] as const

export const addVersionVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('restore <path>'), 'restore a backup, or with --to bring files of the workspace back to a version')
    .addOption(
      new Option('--to <version>', 'for files: a commit, a tag, HEAD~N').conflicts(['replace', 'databaseOnly', 'key', 'acceptDamage']),
    )
    // Only files are sealed with it.
    .addOption(new Option('--key <file>', 'key file that the backup was sealed with, for a new home').conflicts('databaseOnly'))
    .option('--yes', 'with --to: restore; without it, list what would change')
    .option('--replace', 'replace a store and files that are not empty, keeping a copy')
    .option('--accept-damage', 'restore a backup whose journal does not verify; what is wrong is recorded')
    .option('--database-only', 'leave files and configuration as they are')
    .addOption(new Option('--dry-run', 'show what would change and stop').conflicts('yes'))
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples(
        'oxbow restore oxbow.oxbow-backup --dry-run',
        'oxbow restore oxbow.oxbow-backup --replace',
        'oxbow restore notes.md --to HEAD~1',
        'oxbow restore src --to before-migration --yes',
      ),
    )
    .action((path, options) =>
      choose(async () =>
        options.to === undefined
          ? (await import('../store/store.ts')).storeRestore(path, options, terminal)
          : versionRestore(path, options, terminal),
      ),
    )
}

export const addFolderVerbs: AddVerbs = (program, terminal, choose) => {
  const folder = verbGroup(
    program.command('folder'),
    'let agents work in folders of yours, at /shared/NAME',
    'oxbow folder add ~/projects/site',
    'oxbow folder list',
  )
  userVerb(folder.command('add <path>'), 'let agents work in a folder')
    .option('--read-only', 'agents may read it, not change it')
    .option('--as <name>', 'its name in /shared; default: the last part of the path')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow folder add .', 'oxbow folder add ~/papers --read-only --as papers'))
    .action((path, options) => choose(async () => (await import('./folders.ts')).folderAdd(path, options, terminal)))
  userVerb(folder.command('list'), 'list the folders')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow folder list'))
    .action((options) => choose(async () => (await import('./folders.ts')).folderList(options, terminal)))
  userVerb(folder.command('remove <shared-folder>'), 'hide a folder from agents; its files stay')
    .option(...dryRunOption)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow folder remove site'))
    .action((name, options) => choose(async () => (await import('./folders.ts')).folderRemove(name, options, terminal)))
}

// `oxbow restore --to`: files as they were in a version.

interface Change {
  readonly path: string
  readonly change: 'added' | 'changed' | 'deleted'
}

const shortLength = 8

interface RestoreOptions extends CallOptions {
  readonly to: string
  readonly yes?: boolean | undefined
}

interface Restored {
  readonly commit: string
  readonly changes: readonly Change[]
  readonly total: number
  readonly before: string
}

const verbs = { added: 'bring back', changed: 'replace', deleted: 'delete' } as const

/** Lists what would change; with `--yes` restores it. */
async function versionRestore(path: string, options: RestoreOptions, terminal: Terminal): Promise<number> {
  const apply = options.yes === true
  return (await import('./call.ts')).showOutput(
    ['version.restore', { path, at: options.to, apply }],
    options,
    terminal,
    ({ commit, changes, total, before }: Restored) => {
      const target = commit.slice(0, shortLength)
      if (total === 0) return `${plainLine(path, 400)} is already as in ${target}.`
      const lines = changes.map((one) => `${verbs[one.change].padEnd(10)}  ${plainLine(one.path, 400)}`)
      if (total > changes.length) lines.push(`… and ${total - changes.length} more`)
      lines.push(
        '',
        apply
          ? `Restored to ${target}. Before: oxbow restore ${path} --to ${before.slice(0, shortLength)}`
          : 'Nothing is changed yet: add --yes.',
      )
      return lines.join('\n')
    },
  )
}
