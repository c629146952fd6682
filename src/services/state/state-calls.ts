/**
 * The calls of the state store: named documents, JSON or Markdown, under `category/name`. A document carries the labels of what its
 * writer had read, so that what a session saves and another loads is judged as if it had been read there.
 */
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import { type Json, OxbowError } from '../../base/index.ts'
import { type Call, defineCall, joinLabels, jsonSchema, type Label, labelledError, type Labels } from '../../protocol/index.ts'
import { documentPlace, type KeptDocuments, plannedDocuments } from './planned-documents.ts'

/** Documents of one list. */
const maxListedDocuments = 500

/** Bytes of one document of the state: what is larger is a file. */
const maxDocumentBytes: number = 256 * 1024

interface StateCallDeps extends Pick<Core, 'sessions'> {
  readonly documents: KeptDocuments
}

/** Of a call about one document: its version, and how it answers in a plan. @param calls makes the call over the documents of the plan */
function inPlan(deps: StateCallDeps, call: (deps: StateCallDeps) => Call): Pick<Call, 'planned' | 'basis'> {
  return {
    planned: (input, plan, context) =>
      call({ ...deps, documents: plannedDocuments(deps.documents, plan, context.clock.now()) }).run(input, context),
    async basis({ category: in_, name: of }: { readonly category: string; readonly name?: string }) {
      if (of === undefined) return {}
      return { [documentPlace(spaceOf(in_), of)]: `${(await deps.documents.get(spaceOf(in_), of))?.seq ?? 0}` }
    },
  }
}

/** As it is kept. */
interface Saved {
  readonly format: 'json' | 'markdown'
  readonly data: Json
  readonly labels: readonly Label[]
  /** Actor that saved it. */
  readonly by: string
}

const loaded = z.strictObject({
  category: z.string(),
  name: z.string(),
  format: z.enum(['json', 'markdown']),
  data: jsonSchema(),
  version: z.int(),
  saved_at: z.number(),
  saved_by: z.string(),
})

/** Documents of people and agents are apart from documents of subsystems. */
const spaceOf = (category: string): string => `state/${category}`
/** The document of a category that its other documents must fit: a JSON Schema. */
const schemaName = '$schema'

const plainName = (text: string): boolean => !/[\\\p{Cc}]/u.test(text) && text.trim() === text
const category = z
  .string()
  .min(1)
  .max(100)
  .refine((text) => plainName(text) && text.split('/').every((part) => part !== '' && part !== '.' && part !== '..'), {
    error: 'must be names separated by single slashes, without .. and control characters',
  })
  .describe('Category, e.g. `projects` or `projects/oxbow`.')
const name = z
  .string()
  .min(1)
  .max(100)
  .refine((text) => plainName(text) && !text.includes('/') && text !== '.' && text !== '..', {
    error: 'must be a plain name without slashes and control characters',
  })
  .describe('Name of the document within its category.')
const version = z.int().nonnegative().optional().describe('Only if the document still has this version; 0: only if it is new.')
const placeShape = { category, name }

const shared = {
  audience: ['model', 'terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 10_000,
} as const satisfies Partial<Call>

export function stateCalls(deps: StateCallDeps): readonly Call[] {
  return [saveCall(deps), loadCall(deps), deleteCall(deps), listCall(deps)]
}

function saveCall(deps: StateCallDeps): Call {
  const { documents, sessions } = deps
  return defineCall({
    ...shared,
    ...inPlan(deps, saveCall),
    labels: { ...shared.labels, silent: ['data'] },
    name: 'state.save',
    routes: [{ method: 'PUT', path: '/state/{category+}/{name}' }],
    event: () => ({ kind: 'state_saved', fields: {} }),
    summary: 'Saves a named document that outlives the session: JSON, or Markdown text.',
    input: z.strictObject({
      ...placeShape,
      data: z.json().describe('The document; a text where the format is markdown.'),
      format: z.enum(['json', 'markdown']).default('json'),
      if_version: version,
    }),
    output: z.object({ version: z.int() }),
    example: { category: 'projects', name: 'oxbow', data: { status: 'active' }, format: 'json' },
    tier: 'side_effecting',
    does: ['overwrite'],
    right: 'state.write',
    effect: 'idempotent',
    // The document is in a record of its own.
    recordInput: ({ category: in_, name: of, format }) => ({ category: in_, name: of, format }),
    async run({ category: in_, name: of, data, format, if_version }, { id, caller }) {
      if (format === 'markdown' && typeof data !== 'string') throw bad('A Markdown document is a text.', 'Give `data` as a string.')
      const bytes = Buffer.byteLength(JSON.stringify(data))
      if (bytes > maxDocumentBytes)
        throw new OxbowError('limit_reached', `The document has ${bytes} bytes; at most ${maxDocumentBytes} fit.`, {
          hint: 'Write a file with file.write instead, or split it.',
        })
      const labels = await checkSchema(documents, in_, of, data)
      const value: Saved = { format, data, labels: sessions.held(caller), by: caller.actor }
      await documents.change<Saved>({ caller, call: id, name: 'state.save' }, spaceOf(in_), of, (current) => {
        assertVersion(current?.seq ?? 0, if_version)
        return value
      })
      const saved = (await documents.get(spaceOf(in_), of))?.seq ?? 0
      return { output: { version: saved }, text: `Saved ${in_}/${of}, version ${saved}.`, labels }
    },
  })
}

/**
 * @returns labels of the schema of the category: whether the data fits tells what it says
 * @throws OxbowError `bad_input`, with these labels, when the data does not fit
 */
async function checkSchema(documents: KeptDocuments, in_: string, of: string, data: Json): Promise<Labels> {
  const kept = of === schemaName ? undefined : (await documents.get<Saved>(spaceOf(in_), schemaName))?.value
  const own = of === schemaName ? data : kept?.data
  const labels = kept?.labels ?? []
  if (own === undefined) return labels
  const parsed = compile(own)
  if (parsed === null) throw bad(`${in_}/${schemaName} is not a JSON Schema that can be checked.`, 'Save a JSON Schema object there.')
  if (of === schemaName) return labels
  const result = parsed.safeParse(data)
  if (result.success) return labels
  const [issue] = result.error.issues
  const at = issue?.path.join('.') ?? ''
  const why = `${at === '' ? '' : `${at}: `}${issue?.message ?? 'invalid'}`
  throw labelledError(bad(`The document does not fit ${in_}/${schemaName}: ${why}.`, 'Correct it.'), labels)
}

function compile(schema: Json): z.ZodType | null {
  try {
    return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])
  } catch {
    return null
  }
}

function loadCall(deps: StateCallDeps): Call {
  const { documents } = deps
  return defineCall({
    ...shared,
    ...inPlan(deps, loadCall),
    name: 'state.load',
    routes: [{ method: 'GET', path: '/state/{category+}/{name}' }],
    summary: 'Loads a saved document.',
    input: z.strictObject(placeShape),
    output: loaded,
    example: { category: 'projects', name: 'oxbow' },
    tier: 'read_only',
    right: 'state.read',
    effect: 'none',
    recordOutput: ({ version: read }) => ({ version: read }),
    async run({ category: in_, name: of }) {
      const found = await documents.get<Saved>(spaceOf(in_), of)
      if (found === null)
        throw new OxbowError('not_found', `There is no document ${in_}/${of}.`, { hint: 'List the category with state.list.' })
      const { format, data, labels, by } = found.value
      return {
        output: { category: in_, name: of, format, data, version: found.seq, saved_at: found.at, saved_by: by },
        text: typeof data === 'string' ? data : JSON.stringify(data),
        labels,
      }
    },
  })
}

function deleteCall(deps: StateCallDeps): Call {
  const { documents } = deps
  return defineCall({
    ...shared,
    ...inPlan(deps, deleteCall),
    name: 'state.delete',
    routes: [{ method: 'DELETE', path: '/state/{category+}/{name}' }],
    event: () => ({ kind: 'state_deleted', fields: {} }),
    summary: 'Deletes a saved document.',
    input: z.strictObject({ ...placeShape, if_version: version }),
    output: z.object({ existed: z.boolean() }),
    example: { category: 'projects', name: 'oxbow' },
    tier: 'side_effecting',
    does: ['delete'],
    right: 'state.write',
    effect: 'idempotent',
    async run({ category: in_, name: of, if_version }, { id, caller }) {
      let existed = false
      let labels: Labels = []
      await documents.change<Saved>({ caller, call: id, name: 'state.delete' }, spaceOf(in_), of, (current) => {
        existed = current !== null
        labels = current?.value.labels ?? []
        assertVersion(current?.seq ?? 0, if_version)
        return current === null ? undefined : null
      })
      return { output: { existed }, text: existed ? `Deleted ${in_}/${of}.` : `There was no document ${in_}/${of}.`, labels }
    },
  })
}

const listed = z.strictObject({
  documents: z.array(loaded.pick({ name: true, version: true, saved_at: true, saved_by: true })),
  next: z.string().nullable().describe('Pass it as `after` for the next page; null at the end.'),
})

function listCall(deps: StateCallDeps): Call {
  const { documents } = deps
  return defineCall({
    ...shared,
    ...inPlan(deps, listCall),
    name: 'state.list',
    routes: [{ method: 'GET', path: '/state', list: 'documents' }],
    summary: 'Lists the documents of a category, by name.',
    input: z.strictObject({
      category,
      after: z.string().max(100).default('').describe('Continue after this name.'),
      limit: z.int().min(1).max(maxListedDocuments).default(100),
    }),
    output: listed,
    example: { category: 'projects', after: '', limit: 100 },
    tier: 'read_only',
    right: 'state.read',
    effect: 'none',
    recordOutput: ({ documents: found }) => ({ documents: found.length }),
    async run({ category: in_, after, limit }) {
      const rows = await documents.list<Saved>(spaceOf(in_), limit, after)
      const found = rows.map((row) => ({ name: row.name, version: row.seq, saved_at: row.at, saved_by: row.value.by }))
      const next = rows.length < limit ? null : (rows.at(-1)?.name ?? null)
      const text = found.length === 0 ? `There is no document in ${in_}.` : found.map((row) => row.name).join('\n')
      // Names were chosen by those who saved.
      return { output: { documents: found, next }, text, labels: rows.reduce<Labels>((all, row) => joinLabels(all, row.value.labels), []) }
    },
  })
}

function assertVersion(current: number, wanted: number | undefined): void {
  if (wanted === undefined || wanted === current) return
  throw bad(
    current === 0 ? 'The document does not exist.' : `The document has version ${current}, not ${wanted}.`,
    'Load it again, and apply the change to what it says now.',
  )
}

function bad(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', message, { hint })
}
