/** Definitions of `persona new|edit|use|release|list`. */
import { type AddVerbs, collect, dryRunOption, examples, plainVerb, userVerb, verbGroup } from '../verb-parts.ts'

const load = () => import('./personas.ts')
const loadFiles = () => import('./persona-files.ts')

export const addPersonaVerbs: AddVerbs = (program, terminal, choose) => {
  const persona = verbGroup(
    program.command('persona'),
    'agents that a conversation can switch to, each with its own voice, rights and notes',
    'oxbow persona new dev',
    'oxbow persona use dev',
  )
  plainVerb(persona.command('new <persona>'), 'make a persona: dev, review and research are templates')
    .option('--template <name>', 'dev, review, research or plain; default: the one of this name, else plain')
    .option('--description <text>', 'what it is for, in a sentence')
    .option('--style <text>', 'how it speaks')
    .option('--model <model>', 'model to use')
    .option('--right <right>', "a right that it has, in place of the template's; repeat for more", collect)
    .option('--memory <scope>', 'none, read, own or persona: what it recalls and notes')
    .option(...dryRunOption)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples('oxbow persona new dev', 'oxbow persona new critic --template review --style "Short, and never unkind."'),
    )
    .action((name, options) => choose(async () => (await loadFiles()).personaNew(name, options, terminal)))
  plainVerb(persona.command('edit <persona>'), 'change a persona; without options, its files in your editor')
    .option('--description <text>', 'what it is for, in a sentence')
    .option('--style <text>', 'how it speaks; empty: as usual')
    .option('--model <model>', 'model to use; empty: the usual one')
    .option('--right <right>', 'a right that it has, in place of all others; repeat for more', collect)
    .option('--memory <scope>', 'none, read, own or persona: what it recalls and notes')
    .option('--new-id', 'forget what it has noted as memory = "persona": it begins anew')
    .option('--enable', 'let it be chosen')
    .option('--disable', 'let nobody choose it; conversations that have it keep it until `persona release`')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow persona edit dev --style "Dry, in short sentences."', 'oxbow persona edit dev --disable'))
    .action((name, options) => choose(async () => (await loadFiles()).personaEdit(name, options, terminal)))
  userVerb(
    persona.command('use [persona]'),
    'let a persona answer in a conversation from its next turn on; without a name, the usual agent',
  )
    .option('--session <id>', 'the conversation; default: the one that was used last')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow persona use dev', 'oxbow persona use review --session 019a', 'oxbow persona use'))
    .action((name, options) => choose(async () => (await load()).personaUse(name, options, terminal)))
  userVerb(persona.command('release <persona>'), 'give all conversations of a persona back to the usual agent')
    .option(...dryRunOption)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow persona release dev', 'oxbow persona release dev --dry-run'))
    .action((name, options) => choose(async () => (await load()).personaRelease(name, options, terminal)))
  userVerb(persona.command('list'), 'list personas, and where they answer')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow persona list', 'oxbow persona list --json'))
    .action((options) => choose(async () => (await load()).personaList(options, terminal)))
}
