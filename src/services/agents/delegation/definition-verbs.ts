/** Verbs of definitions of agents and graphs: which there are, and which of the workspace count. `oxbow graph show` also shows runs. */
import { plainLine, plainText, table } from '../../../terminal/index.ts'
import type { ServiceVerb } from '../../../protocol/index.ts'
import type { DefinitionKind } from '../../../config/index.ts'
import type { ListedDefinition } from './definitions.ts'

/** As `definition.show` has it. */
export type ShownDefinition = Pick<ListedDefinition, 'name' | 'from' | 'state' | 'problem' | 'hash' | 'toml' | 'text'>

const problemChars = 100

/** @param group the verb below which people find them */
function verbsOf(kind: DefinitionKind, group: string): readonly ServiceVerb[] {
  const verb = `oxbow ${group}`
  /** Of a verb about one definition. */
  const one = { fixed: { kind }, omit: true } as const
  const show: ServiceVerb = {
    words: `${group} show <name>`,
    summary: 'show the files of a definition, with its hash',
    examples: [`${verb} show reviewer`],
    call: 'definition.show',
    ...one,
    show: definitionText,
  }
  return [
    {
      words: `${group} list`,
      summary: `list definitions of ${kind}, and whether they count`,
      examples: [`${verb} list`, `${verb} list --json`],
      call: 'definition.list',
      ...one,
      show: ({ definitions }: { readonly definitions: readonly ShownDefinition[] }) =>
        definitions.length === 0
          ? `There are no definitions. Put yours in ~/.oxbow/${kind}/NAME.toml, the workspace’s in /shared/.oxbow/${kind}/NAME.toml.`
          : table([
              ['NAME', 'FROM', 'STATE', ''],
              ...definitions.map(({ name, from, state, problem }) => [name, from, state, plainLine(problem, problemChars)]),
            ]),
    },
    ...(kind === 'agents' ? [show] : []),
    {
      words: `${group} approve <name>`,
      summary: 'show a definition of the workspace, and approve it as it is now',
      examples: [`${verb} approve reviewer`],
      call: 'definition.approve',
      ...one,
      typed: { '--hash <hash>': { field: 'hash', help: 'approve without a question what `show --json` has shown with this hash' } },
      agree: {
        by: show,
        field: 'hash',
        question: (name) => `Approve ${name}?`,
        declined: 'Nothing was approved.',
        settled: ({ from }: ShownDefinition, name) => (from === 'person' ? `${name} is yours and needs no approval.` : ''),
      },
      show: (_, { name }) => `Approved ${name}. It counts until its files change.`,
    },
    {
      words: `${group} revoke <name>`,
      summary: 'take back the approval of a definition of the workspace',
      examples: [`${verb} revoke reviewer`, `${verb} revoke reviewer --dry-run`],
      call: 'definition.revoke',
      ...one,
      async preview(input, ask) {
        const { name, from, state, hash } = (await ask('definition.show', input)) as ShownDefinition
        return { would: `take back the approval of ${name}`, target: { name, from, state, hash } }
      },
      show: ({ revoked }: { readonly revoked: boolean }, { name }) => (revoked ? `Revoked ${name}.` : `${name} was not approved.`),
    },
  ]
}

export const definitionVerbs: readonly ServiceVerb[] = [...verbsOf('agents', 'agents'), ...verbsOf('graphs', 'graph')]

/** @returns the call that shows a definition, for verbs of others, with its input */
export const showDefinition = (kind: DefinitionKind, name: string) => ['definition.show', { kind, name }] as const

export function definitionText({ name, from, state, problem, hash, toml, text }: ShownDefinition): string {
  const head = `${name}, of the ${from}: ${state}${problem === '' ? '' : ` (${plainLine(problem, problemChars)})`}\nhash ${hash}`
  return [head, ...[toml, text].filter((part) => part !== '').map((part) => plainText(part.trimEnd()))].join('\n\n')
}
