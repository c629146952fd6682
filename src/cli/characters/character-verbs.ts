/** Definitions of `character check|import|show|export`. */
import { type AddVerbs, collect, dryRunOption, examples, plainVerb, userVerb, verbGroup } from '../verb-parts.ts'

const load = () => import('./characters.ts')

export const addCharacterVerbs: AddVerbs = (program, terminal, choose) => {
  const character = verbGroup(
    program.command('character'),
    'check, import, show and export characters of elizaOS and ZoeyOS',
    'oxbow character import alfred.character.json',
    'oxbow chat --agent alfred',
  )
  plainVerb(character.command('check <file>'), 'check the file of a character, JSON or XML')
    .option('--strict', 'refuse fields that no form of a character has')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow character check alfred.character.json', 'oxbow character check zoey.xml --strict'))
    .action((file, options) => choose(async () => (await load()).characterCheck(file, options, terminal)))
  userVerb(character.command('import <file>'), 'make an agent of a character: its secrets and its knowledge move into their stores')
    .option('--as <name>', "name of the agent; default: the character's")
    .option('--env <name>', 'variable of the environment that ${NAME} may stand for; repeat for more', collect)
    .option('--right <right>', 'a right that it has besides its own memory; repeat for more', collect)
    .option('--model <model>', 'model to use')
    .option('--trust', 'vouch for its knowledge: otherwise it counts as written by others')
    .option('--replace', 'replace an agent of this name')
    .option('--strict', 'refuse fields that no form of a character has')
    .option(...dryRunOption)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples(
        'oxbow character import alfred.character.json',
        'oxbow character import trader.json --as trader --right web.read --env EXCHANGE',
        'oxbow character import alfred.character.json --dry-run',
      ),
    )
    .action((file, options) => choose(async () => (await import('./character-import.ts')).characterImport(file, options, terminal)))
  userVerb(character.command('show <character>'), 'show a character and the prompt that its agent gets')
    .option('--message <id>', 'id of the message for which the prompt is composed')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow character show alfred'))
    .action((name, options) => choose(async () => (await load()).characterShow(name, options, terminal)))
  userVerb(character.command('export <character>'), 'print the file of a character as it was imported, with handles for its secrets')
    .option('--out <file>', 'write it to a new file instead')
    .option('--secrets', 'with the values of its secrets')
    .option('--json', 'as without it: the output is JSON')
    .addHelpText('after', examples('oxbow character export alfred > alfred.character.json'))
    .action((name, options) => choose(async () => (await load()).characterExport(name, options, terminal)))
}
