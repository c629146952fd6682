/** Definitions of `undo`, `redo`, `restore`, `branch` and `folder`. */
import { Option } from 'commander'
import { type AddVerbs, dryRunOption, examples, userVerb, verbGroup } from '../verb-parts.ts'

const jsonOption = ['--json', 'print the output as one JSON value'] as const

export const addVersionVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('undo [turn]'), 'take back what a turn changed in files, by default the newest; edits of your own stay')
    .option(...dryRunOption)
    .option('--list', 'list the turns that can be undone')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow undo', 'oxbow undo --dry-run', 'oxbow undo --list', 'oxbow undo 0199d2c4-8f0e'))
    .action((turn, options) => choose(async () => (await import('./versions.ts')).versionUndo({ turn }, options, terminal)))
  userVerb(program.command('redo'), 'take back the newest undo')
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow redo'))
    .action((options) => choose(async () => (await import('./versions.ts')).versionUndo({ redo: true }, options, terminal)))
  userVerb(program.command('restore <path>'), 'restore a backup, or with --to bring files of the workspace back to a version')
    .addOption(new Option('--to <version>', 'for files: a commit, a tag, HEAD~N').conflicts(['replace', 'databaseOnly']))
    .option('--key <file>', 'key file that the backup was sealed with, for a new home')
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
          : (await import('./versions.ts')).versionRestore(path, options, terminal),
      ),
    )
}

export const addBranchVerbs: AddVerbs = (program, terminal, choose) => {
  const load = () => import('./branches.ts')
  const branch = verbGroup(
    program.command('branch'),
    'copies of the workspace on which agents work: see what changed, merge or drop it',
    'oxbow branch list',
    'oxbow branch merge 0199d2c4',
  )
  userVerb(branch.command('create <name>'), 'copy the workspace to a branch')
    .option('--at <version>', 'as it was in this version', '')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow branch create try-1', 'oxbow branch create try-2 --at HEAD~3'))
    .action((name, options) => choose(async () => (await load()).branchCreate(name, options, terminal)))
  userVerb(branch.command('list'), 'list branches')
    .option('--all', 'also those that were merged or dropped')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow branch list', 'oxbow branch list --all'))
    .action((options) => choose(async () => (await load()).branchList(options, terminal)))
  userVerb(branch.command('diff <name>'), 'show what has changed in a branch')
    .option('--path <path>', 'only this file or folder', '/shared')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow branch diff try-1', 'oxbow branch diff try-1 --path /shared/src'))
    .action((name, options) => choose(async () => (await load()).branchDiff(name, options, terminal)))
  userVerb(branch.command('merge <name>'), 'merge what has changed in a branch into the workspace, and drop the branch')
    .addOption(
      new Option('--conflicts <side>', 'whose file to take where both have changed the same part')
        .choices(['none', 'workspace', 'branch'])
        .default('none'),
    )
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples('oxbow branch merge try-1 --dry-run', 'oxbow branch merge try-1', 'oxbow branch merge try-1 --conflicts branch'),
    )
    .action((name, options) => choose(async () => (await load()).branchMerge(name, options, terminal)))
  userVerb(branch.command('drop <name>'), 'drop a branch with everything that was changed in it')
    .option(...dryRunOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow branch drop try-1 --dry-run', 'oxbow branch drop try-1'))
    .action((name, options) => choose(async () => (await load()).branchDrop(name, options, terminal)))
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
  userVerb(folder.command('remove <name>'), 'hide a folder from agents; its files stay')
    .option(...dryRunOption)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow folder remove site'))
    .action((name, options) => choose(async () => (await import('./folders.ts')).folderRemove(name, options, terminal)))
}
