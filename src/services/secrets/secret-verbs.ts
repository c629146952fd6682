/** `oxbow secret show|found|release|allow|withdraw`: what a guest knows of secrets, and the uses allowed for them. No verb here shows a value. */
import { formatTime, plainLine, table } from '../../terminal/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { OutputOf, ServiceVerb } from '../../protocol/index.ts'

type Line = OutputOf<'secret.list'>[number]
type Uses = Pick<Line, 'name' | 'calls' | 'hosts' | 'env'>

const nameChars = 120
const usesChars = 200

export const secretVerbs: readonly ServiceVerb[] = [
  {
    words: 'secret show <secret>',
    summary: 'show a secret, masked, with its allowed uses',
    examples: ['oxbow secret show GITHUB_TOKEN'],
    call: 'secret.list',
    typed: { secret: 'name' },
    show: ([secret]: readonly [Line]) =>
      table([
        ['handle', plainLine(secret.handle, nameChars)],
        ['value', `${secret.masked} (${secret.characters} characters)`],
        ['from', secret.source],
        ['uses', usesOf(secret)],
      ]),
  },
  {
    words: 'secret allow <secret>',
    summary: 'allow calls to receive a secret; replaces what was allowed before',
    examples: [
      'oxbow secret allow GITHUB_TOKEN --call shell.online --host api.github.com --env GITHUB_TOKEN',
      'oxbow secret allow vault/db.txt --call shell.exec',
    ],
    call: 'secret.allow',
    typed: {
      secret: 'name',
      '--call <system-call>': { field: 'calls', help: 'a call; repeat for more' },
      '--host <host>': { field: 'hosts', help: 'a host that calls with network may send it to; repeat for more' },
      '--env <variable>': { field: 'env', help: 'variable in which commands find it' },
    },
    input(input) {
      if (input['calls'] !== undefined) return input
      throw new OxbowError('bad_input', 'no call is named', { hint: 'Add --call shell.online, --call web.fetch or another one.' })
    },
    show: usesLine,
  },
  {
    words: 'secret withdraw <secret>',
    summary: 'withdraw what was allowed',
    examples: ['oxbow secret withdraw GITHUB_TOKEN'],
    call: 'secret.withdraw',
    typed: { secret: 'name' },
    async preview({ name }, ask) {
      const [target] = (await ask('secret.list', { name: name! })) as readonly [Line]
      return { would: `no longer allow ${plainLine(target.name, nameChars)} what it ${usesOf(target)}`, target }
    },
    show: usesLine,
  },
  {
    words: 'secret found',
    summary: 'list what was found in outputs and replaced by handles',
    examples: ['oxbow secret found'],
    call: 'secret.found',
    lists: { found: 'name' },
    show: foundTable,
  },
  {
    words: 'secret release <found>',
    summary: 'mark what was found as no secret',
    examples: ['oxbow secret release found.random.0k3f9x2ab1'],
    call: 'secret.release',
    typed: { found: 'name' },
    show: () => 'Released: it is shown as it is from now on.',
  },
]

function usesLine(uses: Uses): string {
  return `${plainLine(uses.name, nameChars)}: ${usesOf(uses)}`
}

function usesOf({ calls, hosts, env }: Uses): string {
  if (calls.length === 0) return 'may be used for nothing'
  const where = hosts.length === 0 ? '' : ` to ${hosts.join(', ')}`
  return plainLine(`may be used by ${calls.join(', ')}${where}${env === '' ? '' : ` as $${env}`}`, usesChars)
}

function foundTable(found: OutputOf<'secret.found'>): string {
  if (found.length === 0) return 'No secret was found in an output.'
  return table(
    found.map(({ handle, call, at, masked, released }) => [
      plainLine(handle, nameChars),
      released ? 'released' : masked === '' ? 'value lost' : masked,
      call,
      formatTime(at),
    ]),
  )
}
