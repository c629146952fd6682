/** `oxbow keys` and `oxbow roles`: API keys for programs, and the rights that roles stand for. */
import { OxbowError } from '../../types/index.ts'
import { withGuest } from '../guest-connection.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { formatTime, plainLine, table } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, findListed, outputOf, showDestruction, showOutput } from './call.ts'

const secondsOfDay = 24 * 3_600
const rightsChars = 200

export interface KeyOptions extends CallOptions {
  readonly right?: readonly string[] | undefined
  readonly expires?: number | undefined
}

export async function keyCreate(name: string, options: KeyOptions, terminal: Terminal): Promise<number> {
  const { right: rights = [], expires } = options
  if (rights.length === 0)
    throw new OxbowError('bad_input', 'a key needs at least one right', {
      hint: 'Add --right session.read, or --right and a role: `oxbow roles` lists them.',
    })
  const input = { name, rights: [...rights], ...(expires !== undefined && { expires_in_s: expires * secondsOfDay }) }
  return showOutput(['key.create', input], options, terminal, ({ key }) => {
    // Only the key is the output, so that a script can take it.
    if (options.json !== true)
      printNotice(terminal, 'Send it to the gateway as `Authorization: Bearer KEY`. It is not shown again; `oxbow keys revoke` ends it.')
    return key
  })
}

export function keyList(options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['key.list', {}], options, terminal, (keys) => {
    if (keys.length === 0) return 'There are no keys. `oxbow keys create NAME --right RIGHT` makes one.'
    return table(
      keys.map(({ id, name, rights, expires_at, used_at }) => [
        id,
        plainLine(name, 50),
        expires_at === null ? 'never expires' : `expires ${formatTime(expires_at)}`,
        used_at === null ? 'never used' : `used ${formatTime(used_at)}`,
        plainLine(rights.join(' '), rightsChars),
      ]),
    )
  })
}

export function keyRevoke(key: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  const revoked = (): string => 'Revoked; its connections are refused from now on.'
  return showDestruction(['key.revoke', { key }], options, terminal, revoked, async (gateway) => {
    const missing = { what: `key ${JSON.stringify(key)}`, verb: 'oxbow keys list' }
    const target = await findListed(gateway, 'key.list', ({ id, name }) => id === key || name === key, missing)
    return { would: `revoke the key ${plainLine(target.name, 50)}`, target }
  })
}

export function roleList(options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['role.list', {}], options, terminal, (roles) =>
    table(roles.map(({ role, rights, by }) => [role, by === '' ? '' : plainLine(by, 50), plainLine(rights.join(' '), roleChars)])),
  )
}

const roleChars = 2_000

export function roleShow(role: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const roles = await outputOf(gateway, 'role.list', {})
    const found = roles.find((each) => each.role === role)
    if (found === undefined)
      throw new OxbowError('not_found', `there is no role ${JSON.stringify(role)}`, { hint: '`oxbow roles list` lists them.' })
    if (options.json === true) printLine(terminal, JSON.stringify(found))
    else printText(terminal, found.rights.map((right) => plainLine(right, roleChars)).join('\n'))
    return 0
  })
}

export function roleAdd(role: string, options: Pick<KeyOptions, 'right'> & CallOptions, terminal: Terminal): Promise<number> {
  const { right: rights = [] } = options
  if (rights.length === 0) throw new OxbowError('bad_input', 'a role needs at least one right', { hint: 'For example: --right file.read' })
  return showOutput(
    ['role.set', { role, rights: [...rights] }],
    options,
    terminal,
    () => `The role ${role} has: ${plainLine(rights.join(' '), roleChars)}`,
  )
}

export function roleRemove(role: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  return showDestruction(
    ['role.remove', { role }],
    options,
    terminal,
    () => 'Removed.',
    async (gateway) => {
      const missing = { what: `role ${JSON.stringify(role)}`, verb: 'oxbow roles list' }
      const target = await findListed(gateway, 'role.list', (line) => line.role === role, missing)
      return { would: `remove the role ${role}`, target }
    },
  )
}
