/** `oxbow keys`, `oxbow roles`, `oxbow exec` and the rules of `oxbow approvals`: who may do what. */
import { exactText, formatTime, plainLine, removePattern, removeRole, revokeKey, revokeRule, table } from '../../terminal/index.ts'
import { OxbowError, textIn } from '../../base/index.ts'
import type { AskCall, ServiceVerb } from '../../protocol/index.ts'
import type { RuleView } from './approval-calls.ts'
import type { ExecView } from './exec-lists.ts'
import type { KeyView } from './keys.ts'
import type { RoleView } from './roles.ts'

const nameChars = 50
const rightsChars = 200
const roleChars = 2_000
const patternChars = 200
const secondsOfDay = 24 * 3_600

const keyVerbs: readonly ServiceVerb[] = [
  {
    words: 'keys',
    summary: 'make, list and revoke API keys for programs',
    examples: ['oxbow keys create ci --right session.read --right turn.send', 'oxbow keys list'],
  },
  {
    words: 'keys create <name>',
    summary: 'make an API key; it is shown once',
    examples: ['oxbow keys create ci --right user --right "!shell.run" --expires 30', 'oxbow keys create reader --right session.read'],
    call: 'key.create',
    typed: {
      '--right <right>': { field: 'rights', help: 'a right, a limited right, a denial, or a role; repeat for more' },
      '--expires <days>': { field: 'expires_in_s', unit: secondsOfDay, help: 'days after which it expires; default: never' },
    },
    input(input) {
      if (input['rights'] !== undefined) return input
      const hint = 'Add --right session.read, or --right and a role: `oxbow roles` lists them.'
      throw new OxbowError('bad_input', 'a key needs at least one right', { hint })
    },
    // Only the key is the output, so that a script can take it.
    notice: 'Send it to the gateway as `Authorization: Bearer KEY`. It is not shown again; `oxbow keys revoke` ends it.',
    show: ({ key }: { readonly key: string }) => key,
  },
  {
    words: 'keys list',
    summary: 'list API keys with their rights, expiry and last use',
    examples: ['oxbow keys list'],
    call: 'key.list',
    lists: { key: 'name' },
    show: keyTable,
  },
  {
    words: 'keys revoke <key>',
    summary: 'revoke an API key, by its name or id',
    examples: ['oxbow keys revoke ci'],
    call: 'key.revoke',
    async preview({ key }, ask) {
      const target = await findListed<KeyView>(
        ask,
        ['key.list', 'oxbow keys list'],
        `key ${JSON.stringify(key)}`,
        ({ id, name }) => id === key || name === key,
      )
      return { would: revokeKey(target.name).would, target }
    },
    show: () => revokeKey('').done,
  },
]

const roleVerbs: readonly ServiceVerb[] = [
  {
    words: 'roles',
    summary: 'list, add and remove roles: names for lists of rights',
    examples: ['oxbow roles list', 'oxbow roles add reporter --right analyst --right file.write:/shared/reports'],
  },
  {
    words: 'roles list',
    summary: 'list the roles with their rights',
    examples: ['oxbow roles list'],
    call: 'role.list',
    lists: { role: 'role' },
    show: (roles: readonly RoleView[]) =>
      table(roles.map(({ role, rights, by }) => [role, by === '' ? '' : plainLine(by, nameChars), plainLine(rights.join(' '), roleChars)])),
  },
  {
    words: 'roles show <role>',
    summary: 'print the rights of a role, one on each line',
    examples: ['oxbow roles show worker'],
    call: 'role.list',
    typed: { role: { field: '' } },
    async find(input, ask, { role }) {
      await findRole(ask, role)
      return input
    },
    lines: (roles: readonly RoleView[], { options }) => roles.filter(({ role }) => role === options['role']),
    show: (roles: readonly RoleView[], { options }) =>
      roles.flatMap(({ role, rights }) => (role === options['role'] ? rights.map((right) => plainLine(right, roleChars)) : [])).join('\n'),
  },
  {
    words: 'roles add <role>',
    summary: 'add a role, or change the rights of one that was added',
    examples: ['oxbow roles add reporter --right analyst --right file.write:/shared/reports'],
    call: 'role.set',
    typed: {
      '--right <right>': { field: 'rights', help: 'a right, a limited right, a denial, or a role that Oxbow has; repeat for more' },
    },
    input(input) {
      if (input['rights'] !== undefined) return input
      throw new OxbowError('bad_input', 'a role needs at least one right', { hint: 'For example: --right file.read' })
    },
    show: (_: never, { input }) =>
      `The role ${textIn(input, 'role')} has: ${plainLine((input['rights'] as string[]).join(' '), roleChars)}`,
  },
  {
    words: 'roles remove <role>',
    summary: 'remove a role that was added and that no key has',
    examples: ['oxbow roles remove reporter'],
    call: 'role.remove',
    async preview(input, ask) {
      await ask('role.remove', { ...input, dry_run: true })
      return { would: removeRole(textIn(input, 'role')).would, target: await findRole(ask, input['role']) }
    },
    show: (_, { input }) => removeRole(textIn(input, 'role')).done,
  },
]

const execVerbs: readonly ServiceVerb[] = [
  {
    words: 'exec list',
    summary: 'list the programs that may be run, and those that may not',
    examples: ['oxbow exec list'],
    call: 'exec.rules',
    lists: { pattern: 'pattern' },
    show: listsText,
  },
  {
    words: 'exec allow <pattern...>',
    summary: 'allow a program to be run, with these arguments',
    examples: ['oxbow exec allow git', 'oxbow exec allow "git log **"'],
    ...change('allow', 'Allowed'),
  },
  {
    words: 'exec deny <pattern...>',
    summary: 'deny a program, whatever allows it',
    examples: ['oxbow exec deny "git push"'],
    ...change('deny', 'Denied'),
  },
  {
    words: 'exec remove <pattern...>',
    summary: 'remove a pattern that was allowed or denied',
    examples: ['oxbow exec remove git'],
    ...change('remove', 'Removed'),
    async preview({ remove }, ask) {
      const [pattern] = remove as [string]
      const target = (await ask('exec.rules', {})).patterns.find((each) => each.pattern === pattern && each.from !== 'config.toml')
      if (target !== undefined) return { would: removePattern(pattern, target.list).would, target }
      throw new OxbowError('not_found', `${JSON.stringify(pattern)} is not a pattern that was added here.`, {
        hint: '`oxbow exec list` shows them. Change patterns from config.toml in that file.',
      })
    },
  },
]

const ruleVerbs: readonly ServiceVerb[] = [
  {
    words: 'approvals rules',
    summary: 'list the rules that allow calls without asking',
    examples: ['oxbow approvals rules'],
    call: 'approval.rules',
    lists: { rule: 'id' },
    show: ruleTable,
  },
  {
    words: 'approvals revoke <rule>',
    summary: 'revoke a rule: such calls ask again',
    examples: ['oxbow approvals revoke 0f3a9c1b2d4e5f6071829304'],
    call: 'approval.revoke',
    async preview({ rule }, ask) {
      const target = await findListed<RuleView>(
        ask,
        ['approval.rules', 'oxbow approvals rules'],
        `rule ${JSON.stringify(rule)}`,
        ({ id }) => id === rule,
      )
      return { would: revokeRule(target.text).would, target }
    },
    show: () => revokeRule('').done,
  },
]

export const accessVerbs: readonly ServiceVerb[] = [...keyVerbs, ...roleVerbs, ...execVerbs, ...ruleVerbs]

/** The words of one pattern. */
function change(list: 'allow' | 'deny' | 'remove', done: string): Pick<ServiceVerb, 'call' | 'typed' | 'omit' | 'input' | 'show'> {
  return {
    call: 'exec.change',
    typed: { pattern: { field: '', help: 'name of the program, and patterns of its arguments' } },
    omit: true,
    input: (input, { options }) => ({ ...input, [list]: [(options['pattern'] as readonly string[]).join(' ')] }),
    show: (_: never, { input }) => `${done}: ${plainLine((input[list] as string[]).join(' '), patternChars)}`,
  }
}

/** @returns the one of a list that a call without input returns. @throws OxbowError `not_found` */
async function findListed<Line>(
  ask: AskCall,
  [list, verb]: readonly [call: string, verb: string],
  what: string,
  matches: (line: Line) => boolean,
): Promise<Line & object> {
  const found = ((await ask(list, {})) as readonly (Line & object)[]).find(matches)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no ${what}.`, { hint: `\`${verb}\` lists them.` })
}

const findRole = (ask: AskCall, named: unknown): Promise<RoleView> =>
  findListed<RoleView>(ask, ['role.list', 'oxbow roles list'], `role ${JSON.stringify(named)}`, ({ role }) => role === named)

function keyTable(keys: readonly KeyView[]): string {
  if (keys.length === 0) return 'There are no keys. `oxbow keys create NAME --right RIGHT` makes one.'
  return table(
    keys.map(({ id, name, rights, expires_at, used_at }) => [
      id,
      plainLine(name, nameChars),
      expires_at === null ? 'never expires' : `expires ${formatTime(expires_at)}`,
      used_at === null ? 'never used' : `used ${formatTime(used_at)}`,
      plainLine(rights.join(' '), rightsChars),
    ]),
  )
}

function listsText({ shell, env, patterns }: ExecView): string {
  const rows = patterns.map(({ list, pattern, from }) => [list, plainLine(pattern, patternChars), from])
  const allowed = patterns.some(({ list }) => list === 'allow')
  return [
    ...(rows.length === 0 ? [] : [table(rows)]),
    ...(allowed ? [] : ['No program may be run without a shell yet: `oxbow exec allow "git status"` allows one.']),
    `Variables that a call may set: ${env.length === 0 ? 'none' : plainLine(env.join(' '), patternChars)}`,
    `Shells: ${shell ? 'on; the allow list does not apply to their commands' : 'off'}`,
  ].join('\n')
}

function ruleTable(rules: readonly RuleView[]): string {
  if (rules.length === 0) return 'No rules yet. Answer a question of the chat with a, or use `oxbow approvals approve ID --always pattern`.'
  return table(
    rules.map(({ id, text, by, at, applies }) => [
      id,
      formatTime(at),
      plainLine(by, 40),
      `${exactText(text)}${applies ? '' : ' (does not apply now: learned under other settings, or every call is asked about)'}`,
    ]),
  )
}
