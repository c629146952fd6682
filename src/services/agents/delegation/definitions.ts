/**
 * Definitions of agents, graphs and programs: the person's, which the host reads, and the workspace's, which anybody who writes there
 * could have written: these count once a person has approved their hash, until their files change. Where both have a
 * name, the person's counts.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Documents } from '../../../kernel/index.ts'
import {
  type Clock,
  createRecentMap,
  didYouMean,
  isObject,
  isOxbowError,
  type Json,
  type JsonObject,
  errorMessage,
  OxbowError,
  protoKeys,
  type RecentMap,
  untilAborted,
} from '../../../base/index.ts'
import { jsonObjectSchema, type Sandbox } from '../../../protocol/index.ts'
import {
  type Definition,
  type DefinitionKind,
  definitionKinds,
  definitionName,
  type DefinitionText,
  type HostPort,
  maxCharacterBytes,
  maxDefinitionBytes,
  maxDefinitions,
} from '../../../config/index.ts'
import { definitionReadMs, heldDefinitionsMs } from './limits.ts'

const definitionState = z
  .enum(['ready', 'new', 'changed', 'hidden', 'broken', 'disabled'])
  .describe(
    '`ready`: it counts. `new`, `changed`: it waits for approval. `hidden`: the person has one of the same name. `broken`: see its problem. `disabled`: its file says `enabled = false`.',
  )

export const listedDefinition = z.strictObject({
  kind: z.enum(definitionKinds),
  name: z.string(),
  toml: z.string(),
  text: z.string().describe('Instructions of an agent; empty if there is no such file.'),
  character: z
    .string()
    .optional()
    .describe('Of `NAME.character.json`, which makes the agent a character; absent if there is no such file.'),
  script: z.string().optional().describe('Of `main.js` of a program; absent if there is no such file.'),
  module: z.string().optional().describe('Of `main.wasm` of a program, in base64; absent if there is no such file.'),
  place: z
    .enum(['bundled', 'installed'])
    .optional()
    .describe('Of a program: it comes with Oxbow, or was installed. Absent: its files are yours.'),
  hides: z.literal(true).optional().describe('You have a folder of its name, too, which does not count.'),
  trial: z.string().optional().describe('Of an update that has not run yet: the hash of its files.'),
  problem: z
    .string()
    .describe('Why the files cannot be used, or what of a usable one has no effect: a right that there is not. Empty: nothing.'),
  from: z.enum(['person', 'workspace']),
  hash: z.string().describe('Of its name and the texts of its files.'),
  state: definitionState,
  table: jsonObjectSchema().optional().describe('What its TOML holds, as JSON; absent for one that cannot be read.'),
})

export type ListedDefinition = z.infer<typeof listedDefinition>

export interface Definitions {
  /** Those that count, by name. */
  usable(kind: DefinitionKind): Promise<readonly Definition[]>
  /** @throws OxbowError `not_found`, `denied` for one that waits for approval, `bad_config` for one that cannot be used */
  find(kind: DefinitionKind, name: string): Promise<Definition>
  /** All, for people. */
  list(kind: DefinitionKind): Promise<readonly ListedDefinition[]>
  /** Of the workspace. @param hash of what the person has seen @throws OxbowError `not_found`, `edit_mismatch`, `bad_config` */
  approve(by: Parameters<Documents['put']>[0], kind: DefinitionKind, name: string, hash: string): Promise<void>
  /** @returns the hash that was approved; empty: none was */
  revoke(by: Parameters<Documents['put']>[0], kind: DefinitionKind, name: string, isDry: boolean): Promise<string>
  /** Definitions of a service, which count where nobody else has one of their name. They are found, and not listed. */
  bring(texts: readonly DefinitionText[]): void
  /** What was read from the host is read anew: its files have just been changed. */
  refresh(): void
  /** @param listener called with the name of each whose approval was given or taken back */
  watch(kind: DefinitionKind, listener: (name: string) => void): void
}

export interface DefinitionDeps {
  readonly host?: Pick<HostPort, 'definitions'> | undefined
  readonly sandbox: Pick<Sandbox, 'hands' | 'status'>
  readonly documents: Pick<Documents, 'all' | 'get' | 'put' | 'watch'>
  readonly clock: Clock
  /** @returns why a definition cannot be used; empty if it can */
  readonly check: (definition: Definition) => Promise<string>
  /** @returns which of these rights there is not, with what may be meant; empty: there are all */
  readonly rightProblem: (rights: readonly string[]) => Promise<string>
}

/** @returns the verb under which people find definitions of a kind */
export const verbOf = (kind: DefinitionKind): string => ['oxbow', kind === 'agents' ? 'agents' : kind.slice(0, -1)].join(' ')

const workspaceCounts = 'One of the workspace counts once a person has approved it.'

/** Documents of approvals, by kind and name: `graphs/review`. */
const definitionApprovals = 'system/definitions'

interface Approval {
  readonly hash: string
}

export function createDefinitions(deps: DefinitionDeps): Definitions {
  const { documents } = deps
  const personal = held(deps.clock, async () => (deps.host === undefined ? [] : inTime(deps.host.definitions())))
  const judged = createRecentMap<string, Judged>(2 * maxDefinitions)
  const shared = held(deps.clock, () => readWorkspace(deps.sandbox))
  const brought = new Map<string, DefinitionText>()
  const approvals = async (): Promise<ReadonlyMap<string, string>> =>
    new Map((await documents.all<Approval>(definitionApprovals)).map(({ name, value }) => [name, value.hash]))

  /** @param everything also reads what nobody has approved */
  const read = async (kind: DefinitionKind, everything: boolean): Promise<readonly Judged[]> => {
    const [own, approved] = await Promise.all([personal(), approvals()])
    // Hands start with the first command: they are not started for files that could not count.
    const others = everything || [...approved.keys()].some((key) => key.startsWith(`${kind}/`)) ? await shared() : []
    const names = new Set(own.filter((each) => each.kind === kind).map(({ name }) => name))
    const judge =
      (from: 'person' | 'workspace') =>
      async (text: DefinitionText): Promise<Judged> => {
        const found = asEnabled(await judgeOnce(deps, judged, text, from))
        if (found.state === 'broken' || from === 'person') return found
        const known = approved.get(`${kind}/${text.name}`)
        const approval = known === found.hash ? 'ready' : known === undefined ? 'new' : 'changed'
        return { ...found, state: names.has(text.name) ? 'hidden' : approval === 'ready' ? found.state : approval }
      }
    const ofKind = (texts: readonly DefinitionText[]): readonly DefinitionText[] => texts.filter((each) => each.kind === kind)
    return apart(await Promise.all([...ofKind(own).map(judge('person')), ...ofKind(others).map(judge('workspace'))]))
  }
  return {
    usable: async (kind) => (await read(kind, false)).filter(({ state }) => state === 'ready').map(asDefinition),
    async find(kind, name) {
      const found = (await read(kind, false)).find((each) => each.name === name && each.state !== 'hidden')
      if (found?.state === 'ready') return asDefinition(found)
      if (found !== undefined && found.state !== 'new') throw notUsable(kind, found)
      const own = brought.get(`${kind}/${name}`)
      if (own !== undefined && found === undefined) return asDefinition(await judgeOnce(deps, judged, own, 'person'))
      throw new OxbowError('not_found', `There is no ${kind.slice(0, -1)} ${name}.`, {
        hint: `${meant(name, await read(kind, false))}See \`${verbOf(kind)} list\`. ${workspaceCounts}`,
      })
    },
    bring: (texts) => texts.forEach((each) => brought.set(`${each.kind}/${each.name}`, each)),
    list: async (kind) => await read(kind, true),
    refresh: personal.forget,
    async approve(by, kind, name, hash) {
      const found = (await read(kind, true)).find((each) => each.name === name && each.from === 'workspace')
      if (found === undefined)
        throw new OxbowError('not_found', `The workspace has no definition ${kind}/${name}.`, {
          hint: `They are files at /shared/.oxbow/${kind}; your own need no approval.`,
        })
      if (found.state === 'broken') throw unusable(found)
      if (found.hash !== hash)
        throw new OxbowError('edit_mismatch', `The definition ${kind}/${name} is not the one that you have seen.`, {
          hint: `Look at it again: ${verbOf(kind)} show ${name}`,
        })
      await documents.put(by, [{ category: definitionApprovals, name: `${kind}/${name}`, value: { hash } satisfies Approval }], {
        sync: true,
      })
    },
    async revoke(by, kind, name, isDry) {
      const known = await documents.get<Approval>(definitionApprovals, `${kind}/${name}`)
      if (known !== null && !isDry)
        await documents.put(by, [{ category: definitionApprovals, name: `${kind}/${name}`, value: null }], { sync: true })
      return known?.value.hash ?? ''
    },
    watch: (kind, listener) =>
      documents.watch(definitionApprovals, (place) => {
        if (place.startsWith(`${kind}/`)) listener(place.slice(kind.length + 1))
      }),
  }
}

const asEnabled = (of: Judged): Judged => (of.state === 'ready' && of.table['enabled'] === false ? { ...of, state: 'disabled' } : of)

/** @param found that does not count, though it has once or nearly does */
function notUsable(kind: DefinitionKind, found: Judged): OxbowError {
  const { name, state, from } = found
  if (state === 'broken') return unusable(found)
  if (state === 'disabled')
    return new OxbowError('denied', `The definition ${kind}/${name} is disabled.`, {
      hint:
        from === 'person'
          ? `Enable it with \`oxbow persona edit ${name} --enable\`, or name another.`
          : 'Remove `enabled = false` from its file.',
    })
  return new OxbowError('denied', `The definition ${kind}/${name} of the workspace has changed since it was approved.`, {
    hint: `A person looks at it with \`${verbOf(kind)} show ${name}\` and approves it with \`${verbOf(kind)} approve ${name}\`.`,
  })
}

/** Two personas of one place with one id would recall each other's notes: neither counts until one of them has another. */
function apart(found: readonly Judged[]): readonly Judged[] {
  const idOf = ({ from, table }: Judged): string => (typeof table['id'] === 'string' ? `${from} ${table['id']}` : '')
  const named = Map.groupBy(
    found.filter((each) => idOf(each) !== ''),
    idOf,
  )
  return found.map((each) => {
    const others = (named.get(idOf(each)) ?? []).filter(({ name }) => name !== each.name)
    if (others.length === 0) return each
    const problem = `id: ${others.map(({ name }) => name).join(', ')} has the same, and would recall its notes. Remove the id of the copy; \`oxbow persona edit\` makes another`
    return { ...each, state: 'broken', problem }
  })
}

interface Judged extends ListedDefinition {
  readonly table: JsonObject
}

/** What is wrong with a definition of an agent or a program follows from its text; a graph is also judged by what else there is. */
async function judgeOnce(
  deps: DefinitionDeps,
  judged: RecentMap<string, Judged>,
  text: DefinitionText,
  from: 'person' | 'workspace',
): Promise<Judged> {
  if (text.kind === 'graphs' || text.problem !== '') return judgeOne(deps, text, from)
  const key = `${from} ${hashOf(text)}`
  const known = judged.get(key) ?? (await judgeOne(deps, text, from))
  judged.put(key, known)
  // Where it is from does not follow from its text.
  return { ...known, place: text.place, hides: text.hides, trial: text.trial }
}

async function inTime<Value>(answer: Promise<Value>): Promise<Value> {
  const late = AbortSignal.timeout(definitionReadMs)
  try {
    return await untilAborted(answer, late)
  } catch (error) {
    if (!late.aborted) throw error
    throw new OxbowError('timeout', 'The host does not say which definitions there are.', { hint: 'Restart the guest: oxbow restart.' })
  }
}

async function judgeOne({ check, rightProblem }: DefinitionDeps, text: DefinitionText, from: 'person' | 'workspace'): Promise<Judged> {
  const hash = hashOf(text)
  const read = { ...text, from, hash, state: 'ready', table: {} } as const
  if (text.problem !== '') return { ...read, state: 'broken' }
  try {
    const { parse } = await import('smol-toml')
    // Dates become texts, and nothing of it has a prototype of its own.
    const table = JSON.parse(JSON.stringify(parse(text.toml))) as JsonObject
    const [named] = protoKeys(table)
    if (named !== undefined) return { ...read, state: 'broken', problem: `${named.join('.')}: nothing can have this name` }
    const problem = isObject(table) ? await check({ ...read, table }) : 'it is not a table'
    if (problem !== '') return { ...read, state: 'broken', problem }
    const rights = rightsIn(table)
    // A program says its rights in another way, and is asked for before calls are described.
    return { ...read, table, problem: rights.length === 0 ? '' : await rightProblem(rights) }
  } catch (error) {
    return { ...read, state: 'broken', problem: errorMessage(error) }
  }
}

/** The rights that the definition of an agent or a graph names, its nodes' too. */
function rightsIn(table: Json): readonly string[] {
  if (!isObject(table)) return []
  const { rights = [], delegable = [], nodes } = table
  const own = [rights, delegable].flat().filter((right) => typeof right === 'string')
  return [...own, ...Object.values(isObject(nodes) ? nodes : {}).flatMap(rightsIn)]
}

function asDefinition(judged: Judged): Definition {
  const { state: _, ...definition } = judged
  return definition
}

/** A misspelt name, as the beginning of a hint. */
function meant(name: string, found: readonly ListedDefinition[]): string {
  const ready = found.flatMap((each) => (each.state === 'ready' ? [each.name] : []))
  return didYouMean(name, ready, 2)
}

function unusable({ kind, name, problem }: ListedDefinition): OxbowError {
  return new OxbowError('bad_config', `The definition ${kind}/${name} cannot be used: ${problem}`, { hint: 'Correct its files.' })
}

function hashOf({ kind, name, toml, text, character, script, module }: DefinitionText): string {
  const parts = [character, script, module].filter((part) => part !== undefined)
  return createHash('sha256')
    .update(JSON.stringify([kind, name, toml, text, ...parts]))
    .digest('hex')
}

/** Questions that come together, such as many children's, are asked once. */
function held<Value>(clock: Clock, read: () => Promise<Value>): (() => Promise<Value>) & { readonly forget: () => void } {
  let last: { readonly at: number; readonly value: Promise<Value> } | null = null
  const ask = (): Promise<Value> => {
    const now = clock.monotonicMs()
    if (last === null || now - last.at >= heldDefinitionsMs) {
      const value = read()
      last = { at: now, value }
      value.catch(() => (last = null))
    }
    return last.value
  }
  return Object.assign(ask, { forget: () => void (last = null) })
}

const folder = '/shared/.oxbow'

async function readWorkspace(sandbox: DefinitionDeps['sandbox']): Promise<readonly DefinitionText[]> {
  if (!sandbox.status.files) return []
  const hands = await sandbox.hands('work')
  const options = { signal: new AbortController().signal, timeoutMs: definitionReadMs }
  const listed = async (kind: DefinitionKind): Promise<readonly { readonly path: string; readonly bytes: number }[]> => {
    try {
      const request = { path: `${folder}/${kind}`, depth: 1, glob: '', all: true, skip: 0, maxEntries: 4 * maxDefinitions }
      const { entries } = await hands.ask('list', request, options)
      return entries.filter(({ kind: what }) => what === 'file')
    } catch (error) {
      if (isOxbowError(error, 'not_found') || isOxbowError(error, 'path_refused')) return []
      throw error
    }
  }
  const textAt = async (
    files: Awaited<ReturnType<typeof listed>>,
    path: string,
    maxBytes: number = maxDefinitionBytes,
  ): Promise<string> => {
    const file = files.find((each) => each.path === path)
    if (file === undefined) return ''
    const { content, totalBytes } = await hands.ask('bytes', { path, offset: 0, maxBytes }, options)
    if (totalBytes > maxBytes) throw new Error(`${path} is larger than ${maxBytes / 1024} KiB`)
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  }
  const found: DefinitionText[] = []
  for (const kind of ['agents', 'graphs'] as const) {
    const files = await listed(kind)
    const names = files.flatMap(({ path }) => /\/([^/]+)\.toml$/.exec(path)?.[1] ?? []).filter((name) => definitionName.test(name))
    for (const name of names.slice(0, maxDefinitions)) {
      const base = `${folder}/${kind}/${name}`
      try {
        const text = kind === 'agents' ? await textAt(files, `${base}.md`) : ''
        const character = kind === 'agents' ? await textAt(files, `${base}.character.json`, maxCharacterBytes) : ''
        const toml = await textAt(files, `${base}.toml`)
        found.push({ kind, name, toml, text, ...(character !== '' && { character }), problem: '' })
      } catch (error) {
        found.push({ kind, name, toml: '', text: '', problem: errorMessage(error) })
      }
    }
  }
  return found
}
