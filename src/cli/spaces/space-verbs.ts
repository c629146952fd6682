/** Definitions of `space`. */
import { OxbowError } from '../../base/index.ts'
import { Argument, type Command } from 'commander'
import { type AddVerbs, collect, dryRunOption, examples, parseAmount, plainVerb, userOption, verbGroup } from '../verb-parts.ts'

const json = ['--json', 'print one JSON object'] as const

/** A verb about the spaces of a person. */
const spaceVerb = (command: Command, summary: string): Command => plainVerb(command, summary).option(...userOption)

export const addSpaceVerbs: AddVerbs = (program, terminal, choose) => {
  const load = () => import('./spaces.ts')
  const space = verbGroup(
    program.command('space'),
    'keep projects apart: each space has files, memory, sessions, secrets and schedules of its own',
    'oxbow space new taxes --word tax --path ~/documents/taxes',
    'oxbow space use taxes',
    'oxbow run --space taxes "what is due?"',
    'oxbow space list',
  )
  spaceVerb(space.command('new <name>'), 'make a space')
    .option('--about <text>', 'what it is for, for lists', '')
    .option('--word <word>', 'a word that suggests it; repeat for more', collect)
    .option('--path <folder>', 'a folder that suggests it; repeat for more', collect)
    .option(...json)
    .addHelpText('after', examples('oxbow space new taxes', 'oxbow space new site --word website --path ~/projects/site'))
    .action((name, options) => choose(async () => (await load()).spaceNew(name, options, terminal)))
  spaceVerb(space.command('list'), 'list the spaces')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow space list'))
    .action((options) => choose(async () => (await import('./list-spaces.ts')).spaceList(options, terminal)))
  spaceVerb(space.command('use <space>'), 'work in a space from now on, where no other is named')
    .option(...json)
    .addHelpText('after', examples('oxbow space use taxes', 'oxbow space use default'))
    .action((name, options) => choose(async () => (await load()).spaceUse(name, options, terminal)))
  spaceVerb(space.command('archive <space>'), 'put a space away: nothing runs in it, and nothing of it is lost')
    .option(...dryRunOption)
    .option(...json)
    .addHelpText('after', examples('oxbow space archive taxes'))
    .action((name, options) => choose(async () => (await load()).spaceArchive(name, options, terminal)))
  spaceVerb(space.command('restore <space>'), 'bring an archived space back')
    .option(...json)
    .addHelpText('after', examples('oxbow space restore taxes'))
    .action((name, options) => choose(async () => (await load()).spaceRestore(name, options, terminal)))
  spaceVerb(space.command('export <space> [path]'), 'write everything of a space to one sealed file, which `oxbow restore` brings back')
    .option(...json)
    .addHelpText('after', examples('oxbow space export taxes taxes.oxbow-backup'))
    .action((name, path, options) => choose(async () => (await load()).spaceExport(name, path, options, terminal)))
  spaceVerb(space.command('budget <space>'), 'show or set what all agents of a space together may spend')
    .addArgument(new Argument('[dollars]', 'the most; 0: as much as the configuration allows').argParser(parseAmount))
    .option('--per <window>', 'minute, hour, day, week, month, total, or seconds such as 7200s', 'total')
    .option(...json)
    .addHelpText('after', examples('oxbow space budget taxes', 'oxbow space budget taxes 5 --per month'))
    .action((name, dollars, options) =>
      choose(async () => (await import('./space-budget.ts')).spaceBudget(name, dollars, options, terminal)),
    )
  addCrossing(space, terminal, choose)
  spaceVerb(space.command('suggest <words...>'), 'say which space a message seems to belong to; it never switches')
    .option(...json)
    .addHelpText('after', examples('oxbow space suggest "when is the tax return due?"'))
    .action((words, options) => choose(async () => (await load()).spaceSuggest(words, options, terminal)))
}

/** What goes from one space to another. */
const addCrossing: AddVerbs = (space, terminal, choose) => {
  const moving = () => import('./move.ts')
  const from = ['--from <space>', 'space in which they are; default: the one in use'] as const
  spaceVerb(space.command('move <ids...>'), 'move notes, sessions, schedules (schedule:ID) and files (/shared/…) to another space')
    .option('--to <space>', 'space to which they go')
    .option(...from)
    .option(...dryRunOption)
    .option('--yes', 'do not ask')
    .option(...json)
    .addHelpText(
      'after',
      examples('oxbow space move /shared/taxes note-84b8b784413c7e13 --to taxes', 'oxbow space move 019a --to taxes --dry-run'),
    )
    .action((ids, options) => choose(async () => (await moving()).spaceMove(ids, towards(options), terminal)))
  spaceVerb(space.command('merge <space>'), 'move everything of a space to another, and archive it')
    .option('--to <space>', 'space to which it goes')
    .option(...dryRunOption)
    .option('--yes', 'do not ask')
    .option(...json)
    .addHelpText('after', examples('oxbow space merge taxes --to default --dry-run'))
    .action((name, options) => choose(async () => (await moving()).spaceMerge(name, towards(options), terminal)))
  spaceVerb(space.command('undo [id]'), 'take back the newest move or merge, or the one that is named')
    .option(...dryRunOption)
    .option('--yes', 'do not ask')
    .option(...json)
    .addHelpText('after', examples('oxbow space undo --dry-run'))
    .action((id, options) => choose(async () => (await moving()).spaceUndo(id, options, terminal)))
  const sharing = () => import('./share.ts')
  spaceVerb(
    space.command('share <path-or-memory>'),
    'show a folder, a note or a document to the agents of another space; what they read of it is private',
  )
    .option('--to <space>', 'space that may see it')
    .option(...from)
    .option('--write', 'its agents may also change it')
    .option('--as <name>', 'of a folder, its name in /shared there; default: the last part of its path')
    .option(...json)
    .addHelpText(
      'after',
      examples(
        'oxbow space share /shared/figures --from taxes --to work',
        'oxbow space share note-84b8b784413c7e13 --to work',
        'oxbow space share /shared/site --to work --write',
      ),
    )
    .action((path, options) => choose(async () => (await sharing()).spaceShare(path, towards(options), terminal)))
  spaceVerb(space.command('unshare <shared-item>'), 'take away what is shared, with the sessions, memories and files that come from it')
    .option('--to <space>', 'space that sees it')
    .option(...dryRunOption)
    .option('--yes', 'do not ask')
    .option(...json)
    .addHelpText('after', examples('oxbow space unshare figures --to work --dry-run'))
    .action((name, options) => choose(async () => (await sharing()).spaceUnshare(name, towards(options), terminal)))
}

/** @throws OxbowError `bad_input` where no space is named */
function towards<Options extends { readonly to?: string }>(options: Options): Options & { readonly to: string } {
  const { to } = options
  if (to === undefined)
    throw new OxbowError('bad_input', 'the other space is missing', { hint: 'Add --to SPACE; `oxbow space list` shows them.' })
  return { ...options, to }
}
