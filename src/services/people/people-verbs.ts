/** `oxbow people`: who may sign in by OpenID Connect. */
import { formatTime, plainLine, table } from '../../terminal/index.ts'
import { OxbowError, textIn } from '../../base/index.ts'
import type { ServiceVerb } from '../../protocol/index.ts'
import type { PersonView } from './person-calls.ts'

const nameChars = 40
const groupsChars = 80

export const peopleVerbs: readonly ServiceVerb[] = [
  {
    words: 'people',
    summary: 'list, add and remove people who sign in by OpenID Connect',
    examples: ['oxbow people list', 'oxbow people add 8f14e45f-ceea-467f --name ann'],
  },
  {
    words: 'people list',
    summary: 'list the people who are known, with their groups and last sign-in',
    examples: ['oxbow people list'],
    call: 'people.list',
    lists: { person: 'id' },
    show: peopleTable,
  },
  {
    words: 'people add <subject>',
    summary: 'make a person known by what the provider calls them: the claim `sub`',
    examples: ['oxbow people add 8f14e45f-ceea-467f --name ann'],
    call: 'people.add',
    typed: { '--name <name>': { field: 'name', help: 'name, for lists' } },
    show: ({ id, subject }: PersonView) => `${plainLine(subject, nameChars)} may sign in (${id}).`,
  },
  {
    words: 'people remove <person>',
    summary: 'forget a person, and end all that they have open',
    examples: ['oxbow people remove 8f14e45f-ceea-467f'],
    call: 'people.remove',
    async preview({ person }, ask) {
      const found = ((await ask('people.list', {})) as readonly PersonView[]).find(({ id, subject }) => id === person || subject === person)
      if (found === undefined)
        throw new OxbowError('not_found', `Nobody ${JSON.stringify(person)} is known.`, { hint: '`oxbow people list` lists them.' })
      return { would: `forget ${plainLine(found.name || found.subject, nameChars)}, and end all that they have open`, target: found }
    },
    show: (_, { input }) => `Forgot ${plainLine(textIn(input, 'person'), nameChars)}.`,
  },
]

function peopleTable(people: readonly PersonView[]): string {
  if (people.length === 0) return 'Nobody is known. `oxbow people add SUBJECT` makes somebody known.'
  return table(
    people.map(({ id, name, subject, groups, signed_in_at: at }) => [
      id,
      plainLine(name || subject, nameChars),
      at === null ? 'never signed in' : `signed in ${formatTime(at)}`,
      plainLine(groups.join(' '), groupsChars),
    ]),
  )
}
