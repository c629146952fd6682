/** The calls by which people list and show skills, commands and instructions, trust them, and send commands. */
import { posix } from 'node:path'
import { z } from 'zod'
import { isOxbowError, OxbowError } from '../base/index.ts'
import { type Call, type CallContext, defineCall, type LabelScope } from '../protocol/index.ts'
import { commandName } from '../config/index.ts'
import { expandCommand, readCommand } from './commands.ts'
import { findCandidate, type InventoryDeps, isCalled, type Item, listAll } from './inventory.ts'
import { differenceOf, keptFiles, type TrustedFile } from './trust.ts'

export interface PersonCallDeps extends InventoryDeps {
  /** Name of the usual agent. */
  readonly agent: string
}

export function personCalls(deps: PersonCallDeps): readonly Call[] {
  return [listCall(deps), showCall(deps), trustCall(deps), revokeCall(deps), listCommands(deps), expandCall(deps)]
}

const shared = {
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 60_000,
} as const satisfies Partial<Call>

const looking = { ...shared, tier: 'read_only', right: 'skill.use', effect: 'none' } as const satisfies Partial<Call>
const deciding = { ...shared, tier: 'side_effecting', right: 'skill.trust', effect: 'idempotent' } as const satisfies Partial<Call>

const itemFields = z.strictObject({
  kind: z.enum(['skill', 'instructions', 'command']),
  name: z.string(),
  place: z.enum(['agent', '.agents', '.claude', 'user', 'bundled', 'workspace']),
  agent: z.string(),
  path: z.string().describe('In the workspace; empty for one that the host has.'),
  description: z.string(),
  state: z.enum(['ready', 'new', 'changed', 'hidden', 'broken']),
  problem: z.string().describe('What hides it, or is wrong with it.'),
})

function listCall(deps: PersonCallDeps): Call {
  return defineCall({
    ...looking,
    name: 'skill.list',
    summary: 'Lists skills, instructions of folders and commands: what counts, what waits for trust, and what is hidden.',
    input: z.strictObject({}),
    output: z.strictObject({ items: z.array(itemFields) }),
    example: {},
    recordOutput: ({ items }) => ({ items: items.length }),
    run: async () => ({ output: { items: [...(await listAll(deps))] } }),
  })
}

export type Shown = z.infer<typeof shownFields>

const shownFields = z.strictObject({
  name: z.string(),
  kind: z.string(),
  path: z.string(),
  hash: z.string().describe('Of all its files: what `skill.trust` needs. Empty for one that needs no trust.'),
  state: z.string(),
  problem: z.string(),
  files: z.array(z.strictObject({ path: z.string(), executable: z.boolean(), text: z.string().nullable() })),
  difference: z.string().describe('What has changed since it was trusted, as a unified diff.'),
})

const target = z.string().min(1).max(1_000).describe('Path, name of a skill, `/NAME` of a command, or `AGENTS.md`.')

function showCall(deps: PersonCallDeps): Call {
  return defineCall({
    ...looking,
    name: 'skill.show',
    summary: 'Shows a skill, a command or the instructions of a folder as a person would trust it, and what has changed since then.',
    input: z.strictObject({ target }),
    output: shownFields,
    example: { target: '/shared/AGENTS.md' },
    recordOutput: ({ path, hash }) => ({ path, hash }),
    run: async ({ target: which }) => ({ output: await showOne(which, deps) }),
  })
}

async function showOne(which: string, deps: PersonCallDeps): Promise<Shown> {
  const candidate = await findCandidate(which, deps).catch(async (error: unknown) => {
    const own = isOxbowError(error, 'not_found') ? await ownOne(which, deps) : null
    if (own === null) throw error
    return own
  })
  if ('hash' in candidate) return candidate
  const { path, trusted, problem } = candidate
  const before = (await deps.trust.all()).get(path)
  const state = problem !== '' ? 'broken' : before === undefined ? 'new' : before.hash === trusted.hash ? 'ready' : 'changed'
  const difference = state === 'changed' && before !== undefined ? await differenceOf(before.files, trusted.files) : ''
  const { kind, name, hash, files } = trusted
  return { name: name === '' ? path : name, kind, path, hash, state, problem, files: shownFiles(files), difference }
}

/** @returns a skill or command of the host, which needs no trust; null if none has the name */
async function ownOne(which: string, { catalog, agent }: PersonCallDeps): Promise<Shown | null> {
  const { entries, prompts } = await catalog.host()
  const shown = (kind: Item['kind'], files: Shown['files'], problem: string, warning = ''): Shown => {
    const state = problem === '' ? 'ready' : 'broken'
    return { name: which, kind, path: '', hash: '', state, problem: problem === '' ? warning : problem, files, difference: '' }
  }
  const prompt = prompts.find(({ name }) => which === `/${name}`)
  if (prompt !== undefined) return shown('command', [{ path: `${prompt.name}.md`, executable: false, text: prompt.text }], prompt.problem)
  const entry = entries.find(({ skill, head }) => (head?.name ?? skill.folder) === which && ['', agent].includes(skill.agent))
  if (entry === undefined) return null
  return shown('skill', shownFiles(keptFiles(await catalog.hostFiles(entry.skill))), entry.errors.join('; '), entry.warnings.join('; '))
}

const shownFiles = (files: readonly TrustedFile[]): Shown['files'] =>
  files.map(({ path, executable, text }) => ({ path, executable, text }))

function trustCall(deps: PersonCallDeps): Call {
  return defineCall({
    ...deciding,
    name: 'skill.trust',
    summary: 'Trusts a skill, a command or the instructions of a folder as they are now. It counts until one of its files changes.',
    input: z.strictObject({ target, hash: z.string().length(64).describe('Hash of what the person has seen, from `skill.show`.') }),
    output: z.strictObject({ path: z.string(), name: z.string() }),
    example: { target: '/shared/AGENTS.md', hash: '0'.repeat(64) },
    async run({ target: which, hash }, context) {
      const { path, trusted, problem } = await findCandidate(which, deps)
      if (problem !== '')
        throw new OxbowError('bad_config', `${path} cannot be used: ${problem}`, { hint: 'Correct it, or leave it as data.' })
      if (trusted.hash !== hash)
        throw new OxbowError('edit_mismatch', `${path} is not what you have seen.`, { hint: `Look at it again: oxbow skills show ${path}` })
      await refusePrivate(path, trusted.files, context)
      await deps.trust.set(context, 'skill.trust', path, trusted)
      return { output: { path, name: trusted.name } }
    },
  })
}

/**
 * What is trusted is told to any agent, in any session: nothing keeps the label of its files.
 * @throws OxbowError `denied` where one of them is private
 */
async function refusePrivate(path: string, files: readonly TrustedFile[], context: CallContext): Promise<void> {
  for (const file of files) {
    const scope: LabelScope = { kind: 'apart', labels: [], origins: [], fields: [] }
    const at = path.endsWith(`/${file.path}`) ? path : `${path}/${file.path}`
    const read = await context.readApart(scope, 'file.read', { path: at })
    // What is no text has been read all the same.
    if (read.status !== 'ok' && read.failure.code !== 'not_text')
      throw new OxbowError(read.failure.code, `${at} cannot be read: ${read.failure.message}`, { hint: read.failure.hint })
    if (scope.labels.includes('private'))
      throw new OxbowError('denied', `${at} holds private data, which every agent would be told.`, {
        hint: `If all may know it, take its label away first: oxbow flow declassify ${at}`,
      })
  }
}

function revokeCall(deps: PersonCallDeps): Call {
  return defineCall({
    ...deciding,
    name: 'skill.revoke',
    summary: 'Takes back the trust in a skill, a command or the instructions of a folder.',
    input: z.strictObject({ target, dry_run: z.boolean().default(false).describe('Only say what is trusted.') }),
    output: z.strictObject({ revoked: z.array(z.string()).describe('Paths.') }),
    example: { target: '/shared/AGENTS.md', dry_run: false },
    async run({ target: which, dry_run: isDry }, context) {
      const known = [...(await deps.trust.all())]
      const paths = known
        .filter(([path, { kind, name }]) =>
          isCalled(which, path, kind === 'skill' ? name : kind === 'command' ? `/${name}` : posix.basename(path)),
        )
        .map(([path]) => path)
      // What is trusted may be gone; a name that was never there is misspelt.
      if (paths.length === 0) await showOne(which, deps)
      for (const path of isDry ? [] : paths) await deps.trust.set(context, 'skill.revoke', path, null)
      return { output: { revoked: paths } }
    },
  })
}

function listCommands(deps: PersonCallDeps): Call {
  return defineCall({
    ...looking,
    name: 'command.list',
    summary: 'Lists the commands that a person can send as `/NAME`.',
    input: z.strictObject({}),
    output: z.strictObject({
      commands: z.array(
        z.strictObject({ name: z.string(), description: z.string(), hint: z.string().describe('Arguments; empty: not described.') }),
      ),
    }),
    example: {},
    recordOutput: ({ commands }) => ({ commands: commands.length }),
    run: async () => ({
      output: {
        commands: (await usableCommands(deps)).map(({ name, text }) => {
          const { description, hint } = readCommand(text)
          return { name, description, hint }
        }),
      },
    }),
  })
}

interface UsableCommand {
  readonly name: string
  readonly text: string
}

/** The first of each name; trusted texts are those that the person has seen, whatever the file holds now. */
async function usableCommands({ catalog, trust }: PersonCallDeps): Promise<readonly UsableCommand[]> {
  const [{ prompts }, trusted] = await Promise.all([catalog.host(), trust.all()])
  const isOf = (path: string, place: string): boolean => path.includes(`/${place}/commands/`)
  const ofWorkspace = (place: string): readonly UsableCommand[] =>
    [...trusted]
      .filter(([path, { kind }]) => kind === 'command' && isOf(path, place))
      .toSorted(([a], [b]) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1))
      .flatMap(([, { name, files }]) => (files[0]?.text == null ? [] : [{ name, text: files[0].text }]))
  const own = prompts.flatMap(({ name, text, problem }) => (problem === '' ? [{ name, text }] : []))
  const found = new Map<string, UsableCommand>()
  for (const command of [...ofWorkspace('.agents'), ...ofWorkspace('.claude'), ...own])
    if (!found.has(command.name)) found.set(command.name, command)
  return [...found.values()]
}

function expandCall(deps: PersonCallDeps): Call {
  return defineCall({
    ...looking,
    name: 'command.expand',
    summary: 'Makes the message of a command: its text with the arguments put in.',
    input: z.strictObject({
      name: z.string().regex(commandName, 'must be the name of a command'),
      arguments: z.string().max(100_000).default('').describe('Everything behind the name.'),
    }),
    output: z.strictObject({ text: z.string() }),
    example: { name: 'review', arguments: 'src/main.ts' },
    recordOutput: ({ text }) => ({ characters: text.length }),
    async run({ name, arguments: given }) {
      const command = (await usableCommands(deps)).find((each) => each.name === name)
      if (command === undefined) throw await missingCommand(name, deps)
      const text = expandCommand(readCommand(command.text).body, given)
      return { output: { text }, text }
    },
  })
}

async function missingCommand(name: string, deps: PersonCallDeps): Promise<OxbowError> {
  const waiting = (await deps.workspace.commands().catch(() => [])).find((each) => each.name === name)
  if (waiting === undefined)
    return new OxbowError('not_found', `There is no command /${name}.`, {
      hint: 'Commands are files: ~/.oxbow/prompts/NAME.md, and .agents/commands/NAME.md of a folder. `oxbow skills list` shows them.',
    })
  return new OxbowError('denied', `The command /${name} came with a folder, and you do not trust it yet.`, {
    hint: `Look at it, and trust it: oxbow skills trust /${name}`,
  })
}
