/**
 * What a definition of an agent says: `agents/NAME.toml` with its instructions in `agents/NAME.md`, and its character, if it is one, in
 * `agents/NAME.character.json`. Everything that it grants is a list of
 * entries of rights, also what is no right of a call: `secret.use:NAME` for a secret, `model.use:NAME` for a model, `mcp.NAME` for a server.
 * So one intersection holds for all of them; see `attenuation.ts`.
 */
import { z } from 'zod'
import { characterProblem, type CharacterProfile } from '../../../kernel/index.ts'
import { type Json, type JsonObject, parseObject, truncate } from '../../../base/index.ts'
import { expandRights, type SandboxTier, wrongAgentRights, networkRights, type Limits, limitsSchema } from '../../../protocol/index.ts'
import { type Definition, maxAgentDescription, maxAgentStyle, memoryScopes } from '../../../config/index.ts'
import type { MailRules } from '../agent-record.ts'
import { mailInstructions } from '../mail/peers.ts'
import { handsChoice, type HandsChoice } from './hands-choice.ts'
import { folderPattern, maxCapabilities, maxKnowledgeParts, maxPromptParts, personaKey } from './limits.ts'

/** An agent as its files define it. `hash` is over all of them; an approval is for that hash. */
export interface AgentDefinition {
  readonly name: string
  readonly from: 'person' | 'workspace'
  readonly hash: string
  readonly description: string
  readonly capabilities: readonly string[]
  readonly instructions: string
  readonly character: CharacterProfile | undefined
  /** Empty: the delegating agent's. */
  readonly model: string
  /** Entries of rights that it may use. */
  readonly rights: readonly string[]
  /** Entries of rights that it may pass on. */
  readonly delegable: readonly string[]
  /** The weakest isolation that it runs with; empty: any. */
  readonly tier: SandboxTier | ''
  readonly budget: Limits | undefined
  readonly maxTurns: number | undefined
  readonly deadlineS: number | undefined
  readonly memory: (typeof memoryScopes)[number]
  /** Key of what it keeps for itself; empty: it keeps nothing. See `Caller.persona`. */
  readonly persona: string
  readonly files: 'shared' | 'folder' | 'branch'
  readonly hands: HandsChoice
  readonly result: JsonObject | undefined
  /** Undefined: it writes to nobody but agents above and below it. */
  readonly mail: MailRules | undefined
}

const entryList = z
  .union([z.string(), z.array(z.string().max(600)).max(200)])
  .refine((list) => wrongAgentRights(list) === '', { error: ({ input }) => wrongAgentRights(input as string[]) })
  .transform((list) => expandRights(list))

const names = (pattern: RegExp, what: string): z.ZodDefault<z.ZodArray<z.ZodString>> =>
  z
    .array(z.string().max(200).regex(pattern, `must be ${what}`))
    .max(100)
    .default([])

const agentName = /^(?:\*|[a-z0-9][a-z0-9_-]*)$/i

const schema = z
  .strictObject({
    description: z.string().min(1).max(maxAgentDescription).describe('What it is for, in a sentence: how other agents choose it.'),
    capabilities: z.array(z.string().min(1).max(60)).max(maxCapabilities).default([]).describe('Words by which `agent.find` finds it.'),
    model: z.string().max(200).default('').describe('Model; empty: the delegating agent’s.'),
    models: names(/^[^\s,]+$/, 'the name of a model').describe('Models that it, and agents below it, may use. Empty: any.'),
    rights: entryList.prefault([]).describe('Rights that it may use.'),
    delegable: entryList.prefault([]).describe('Which of these rights it may pass on to agents that it delegates to.'),
    servers: names(/^[a-z][a-z0-9-]{0,23}$/, 'the name of a server').describe('Servers of tools that it may use.'),
    secrets: names(/^\S+$/, 'the name of a secret').describe('Secrets that its calls may use.'),
    hosts: names(/^[^\s/]+$/, 'a host').describe('Hosts that it may read from. Empty: any, with a right for the web.'),
    tier: z.enum(['process', 'container', 'micro_vm']).optional().describe('The weakest isolation that it runs with.'),
    budget: limitsSchema.optional().describe('The most that one delegation may use.'),
    max_turns: z.int().min(1).max(1_000).optional().describe('The most requests to a model.'),
    deadline_s: z
      .int()
      .min(1)
      .max(7 * 86_400)
      .optional()
      .describe('Time limit of one delegation in seconds.'),
    memory: z
      .enum(memoryScopes)
      .default('none')
      .describe(
        '`read`: yours, without writing; `own`: notes of its own, and no others; `persona`: yours, and notes that no other agent recalls.',
      ),
    id: z
      .string()
      .regex(personaKey, 'must be 8 to 32 of a-z and 0-9')
      .optional()
      .describe('Whose the notes of memory = "persona" are, whatever the name; `oxbow persona` makes one.'),
    style: z.string().trim().max(maxAgentStyle).default('').describe('How it speaks: its voice, as instructions.'),
    enabled: z.boolean().default(true).describe('False: it takes no work and no conversation.'),
    files: z.enum(['shared', 'folder', 'branch']).default('shared').describe('`branch`: a copy of the workspace, merged as a diff.'),
    hands: handsChoice
      .default('home')
      .describe(
        'Where its files and commands are while it works on a branch of its own: `home`, `anywhere` in the cluster, or labels of a node.',
      ),
    folder: z.string().max(500).regex(folderPattern, 'must be a folder below /shared').optional().describe('For files = "folder".'),
    mail: z
      .strictObject({
        to: names(agentName, 'the name of an agent').describe('Agents that it may write to, if they take its messages; `*`: any.'),
        from: names(agentName, 'the name of an agent').describe('Agents whose messages it takes; `*`: any.'),
      })
      .optional()
      .describe('Mail with agents that it has not started, and that have not started it. Unset: none.'),
    result: z.record(z.string(), z.json()).optional().describe('JSON Schema of its result.'),
    variables: z.record(z.string().max(128), z.string().max(4_000)).optional().describe('Values of `${NAME}` in its character.'),
  })
  .refine(({ files, hands }) => hands === 'home' || files === 'branch', 'hands elsewhere need files = "branch"')
  .refine(({ files, folder }) => (files === 'folder') === (folder !== undefined), 'folder and files = "folder" need each other')
  .refine(
    ({ memory, id }) => memory !== 'persona' || id !== undefined,
    'memory = "persona" needs an id: `oxbow persona edit NAME --memory persona` makes one',
  )
  .refine(({ model, models }) => model === '' || models.length === 0 || models.includes(model), 'model must be one of models')

/** @throws z.ZodError that names each wrong field */
export function parseAgentDefinition({ name, from, hash, table, text, character }: Definition): AgentDefinition {
  const read = schema.parse(table)
  const { description, capabilities, model, max_turns: maxTurns, deadline_s: deadlineS, budget, memory, files, result } = read
  return {
    name,
    from,
    hash,
    description,
    capabilities,
    instructions: instructionsOf(text, read, name),
    character: character === undefined ? undefined : { file: promptParts(character), variables: read.variables ?? {} },
    model,
    rights: entriesOf({ ...read, name }),
    delegable: [...read.delegable, ...modelEntries(read.models)],
    tier: read.tier ?? '',
    budget,
    maxTurns,
    deadlineS,
    memory,
    persona: memory === 'persona' ? keyOf(from, read.id ?? '') : '',
    files,
    hands: read.hands,
    result,
    mail: read.mail,
  }
}

/** What is in the workspace cannot claim the notes of the person's own. */
function keyOf(from: Definition['from'], id: string): string {
  return from === 'workspace' ? `workspace.${id}` : id
}

function instructionsOf(text: string, { style, memory, mail }: z.infer<typeof schema>, name: string): string {
  const notes = memory === 'own' ? ownMemory(name) : memory === 'persona' ? personaMemory : ''
  const voice = style === '' ? '' : `How you speak, in every answer:\n${style}`
  return [text.trim(), voice, notes, mail === undefined ? '' : mailInstructions(mail)].filter((part) => part !== '').join('\n\n')
}

/** What of a character makes its prompt: the rest of the file would only fill the record of each session. */
function promptParts(text: string): JsonObject {
  const file = parseObject(text) ?? {}
  const parts = Object.fromEntries(promptFields.flatMap((key) => (file[key] === undefined ? [] : [[key, file[key]]])))
  if (parts['knowledge'] !== undefined) parts['knowledge'] = knowledgeParts(asList(parts['knowledge']))
  for (let kept = Infinity; JSON.stringify(parts).length > maxPromptParts && kept > 0;) {
    kept = Math.floor(Math.min(kept, ...exampleFields.map((key) => asList(parts[key]).length)) / 2)
    for (const key of exampleFields) if (parts[key] !== undefined) parts[key] = asList(parts[key]).slice(0, kept)
  }
  return parts
}

/** A little more than a prompt shows, so that it can say that there is more. */
function knowledgeParts(knowledge: readonly Json[]): readonly Json[] {
  let left = maxKnowledgeParts
  return knowledge
    .filter((each) => {
      const fits = left > 0
      left -= JSON.stringify(each).length
      return fits
    })
    .map((each) => (typeof each === 'string' ? truncate(each, maxKnowledgeParts) : each))
}

const exampleFields = ['messageExamples', 'postExamples'] as const
const promptFields = ['name', 'system', 'knowledge', 'bio', 'lore', 'adjectives', 'topics', 'style', ...exampleFields] as const
const asList = (value: unknown): readonly Json[] => (Array.isArray(value) ? value : [])

const personaMemory =
  'You have notes of your own, which outlast this conversation and which no other agent recalls: memory_save writes them, memory_search finds them among what is known to all.'

function ownMemory(name: string): string {
  return `You have notes of your own, which outlast this conversation: give memory_save and memory_search the tag ${memoryTag(name)}.`
}

/** @returns why the definition cannot be used; empty if it can */
export function agentProblem(definition: Definition): string {
  const parsed = schema.safeParse(definition.table)
  if (parsed.success) return ''
  return parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
}

/** As `agentProblem`, also of its character. */
export async function definitionProblem(definition: Definition): Promise<string> {
  const problem = agentProblem(definition)
  return problem !== '' || definition.character === undefined ? problem : characterProblem(definition.character)
}

type Read = z.infer<typeof schema> & { readonly name: string }

/** Of the notes of an agent that has its own: it reads and writes no others. */
function memoryTag(name: string): string {
  return `agent-${name}`
}

function entriesOf({ name, rights, servers, secrets, hosts, models, memory, files, folder, mail }: Read): readonly string[] {
  const remembering = rights.filter((entry) => !entry.startsWith('memory.'))
  const tag = memoryTag(name)
  const remembered = {
    none: [],
    read: ['memory.read'],
    own: [`memory.read:${tag}`, `memory.write:${tag}`],
    persona: ['memory.read', 'memory.write'],
  }[memory]
  const mailing = (mail?.to.length ?? 0) > 0 ? ['agent.use'] : []
  const own = [...remembering, ...remembered, ...mailing, ...servers.map((server) => `mcp.${server}`)]
  const filed = files === 'folder' && folder !== undefined ? insideFolder(own, folder) : own
  const reaching = hosts.length === 0 ? filed : limited(filed, (right) => networkRights.has(right), hosts)
  return [...reaching, ...secrets.map((secret) => `secret.use:${secret}`), ...modelEntries(models)]
}

/** Agents below it may use the same models. */
function modelEntries(models: readonly string[]): readonly string[] {
  return models.length === 0 ? ['model.use'] : models.map((model) => `model.use:${model}`)
}

/** Rights of calls whose paths the gate knows, so that they can be limited to a folder. */
const pathRights: ReadonlySet<string> = new Set(['file.read', 'file.write'])

/** Rights of calls that touch no workspace file. An agent confined to a folder has only these, and its files. */
const withoutFiles: ReadonlySet<string> = new Set([
  'agent.spawn',
  'agent.use',
  'events.read',
  'events.publish',
  'memory.read',
  'memory.write',
  'scratchpad.use',
  'skill.use',
  'state.read',
  'state.write',
  'system.read',
  'web.read',
])

function insideFolder(entries: readonly string[], folder: string): readonly string[] {
  const kept = entries.filter((entry) => {
    const right = rightOf(entry)
    return entry.startsWith('!') || pathRights.has(right) || withoutFiles.has(right)
  })
  return limited(kept, (right) => pathRights.has(right), [folder])
}

/** Limits rights that have no limit of their own. */
function limited(entries: readonly string[], concerns: (right: string) => boolean, resources: readonly string[]): readonly string[] {
  return entries.flatMap((entry) =>
    !entry.startsWith('!') && !entry.includes(':') && concerns(entry) ? resources.map((resource) => `${entry}:${resource}`) : [entry],
  )
}

function rightOf(entry: string): string {
  return entry.replace(/^!/, '').split(':', 1)[0] ?? ''
}
