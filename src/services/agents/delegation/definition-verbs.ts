/** Verbs of definitions of agents and graphs: which there are, and which of the workspace count. `oxbow graph show` also shows runs. */
import { approveDefinition, plainLine, revokeDefinition, table } from '../../../terminal/index.ts'
import { textIn } from '../../../base/index.ts'
import type { OutputOf, ServiceVerb } from '../../../protocol/index.ts'
import type { DefinitionKind } from '../../../config/index.ts'
import { definitionText, problemChars } from '../../typed-values.ts'

/** @param group the verb below which people find them */
function verbsOf(kind: DefinitionKind, group: string): readonly ServiceVerb[] {
  const verb = `oxbow ${group}`
  const noun = kind === 'graphs' ? 'graph' : 'definition'
  /** Of a verb about one definition. */
  const one = { fixed: { kind }, typed: { [noun]: 'name' }, omit: true } as const
  const show: ServiceVerb = {
    words: `${group} show <${noun}>`,
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
      fixed: { kind },
      omit: true,
      lists: { [noun]: 'name' },
      show: ({ definitions }: OutputOf<'definition.list'>) =>
        definitions.length === 0
          ? `There are no definitions. Put yours in ~/.oxbow/${kind}/NAME.toml, the workspace’s in /shared/.oxbow/${kind}/NAME.toml.`
          : table([
              ['NAME', 'FROM', 'STATE', ''],
              ...definitions.map(({ name, from, state, problem }) => [name, from, state, plainLine(problem, problemChars)]),
            ]),
    },
    ...(kind === 'agents' ? [show] : []),
    {
      words: `${group} approve <${noun}>`,
      summary: 'show a definition of the workspace, and approve it as it is now',
      examples: [`${verb} approve reviewer`],
      call: 'definition.approve',
      ...one,
      typed: {
        ...one.typed,
        '--hash <hash>': { field: 'hash', help: 'approve without a question what `show --json` has shown with this hash' },
      },
      agree: {
        by: show,
        field: 'hash',
        question: (name) => approveDefinition(name).question,
        declined: approveDefinition('').declined,
        settled: ({ from }: OutputOf<'definition.show'>, name) => (from === 'person' ? `${name} is yours and needs no approval.` : ''),
      },
      show: (_, { name }) => `Approved ${name}. It counts until its files change.`,
    },
    {
      words: `${group} revoke <${noun}>`,
      summary: 'take back the approval of a definition of the workspace',
      examples: [`${verb} revoke reviewer`, `${verb} revoke reviewer --dry-run`],
      call: 'definition.revoke',
      ...one,
      async preview(input, ask) {
        const { revoked } = await ask('definition.revoke', { ...input, dry_run: true })
        const name = textIn(input, 'name')
        const target = { name, kind: textIn(input, 'kind') }
        return revoked ? { would: revokeDefinition(name).would, target } : { would: '', nothing: `${name} was not approved.`, target }
      },
      show: ({ revoked }: { readonly revoked: boolean }, { name }) => (revoked ? revokeDefinition(name).done : `${name} was not approved.`),
    },
  ]
}

export const definitionVerbs: readonly ServiceVerb[] = [...verbsOf('agents', 'agents'), ...verbsOf('graphs', 'graph')]
