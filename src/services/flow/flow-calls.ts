/** Calls about the flow of data: what a session has read, why a call was allowed, asked or refused, and taking labels off a value. */
import { workspacePath } from '../../kernel/index.ts'
import { z } from 'zod'
import { type CallId, isUuid, type JsonObject, OxbowError, type SessionId } from '../../base/index.ts'
import {
  newSessionCall,
  type Call,
  type CallContext,
  type DataOrigin,
  declassifyCall,
  defineCall,
  describeLabels,
  describeOrigin,
  idSchema,
  type JournalRecord,
  type Labels,
  labelSchema,
  revokeCall,
  type ToldLabels,
  writeOrigins,
} from '../../protocol/index.ts'
import {
  type Declassified,
  declassified,
  declassifiedCategory,
  type DeclassifyDeps,
  declassifyResult,
  labelledRecords,
  labelledValue,
  originsIn,
  readBy,
  valueOfCall,
  valueOfFile,
} from './declassify.ts'
import type { Flow } from './open-flow.ts'

type FlowCallDeps = DeclassifyDeps & { readonly told: ToldLabels; readonly openFlow: () => Promise<Flow> }

const shared = {
  audience: ['terminal'],
  labels: { adds: ['private', 'untrusted'], sink: false },
  timeoutMs: 60_000,
} as const satisfies Partial<Call>

const reads = { ...shared, tier: 'read_only', right: 'session.read', effect: 'none' } as const

/** @param openFlow labels of files */
export function flowCalls(core: Omit<FlowCallDeps, 'openFlow'>, openFlow: () => Promise<Flow>): readonly Call[] {
  const deps = { ...core, openFlow }
  return [showCall(deps), whyCall(deps), declassify(deps), revoke(deps)]
}

const labelList = z.array(labelSchema()).readonly()

const shownFlow = z.strictObject({
  labels: labelList,
  origins: z.array(z.tuple([labelSchema(), idSchema('DataOrigin')])).readonly(),
  declassified: labelList.describe('Labels that count no longer where sinks are judged.'),
  files: z.array(z.strictObject({ path: z.string(), labels: labelList })).readonly(),
  programs: z
    .array(z.strictObject({ program: idSchema('DataOrigin'), labels: labelList }))
    .readonly()
    .describe('What plugins and servers of tools may have kept of what they were told.'),
  done: z.array(declassified).readonly(),
})

const maxListedFiles = 500

function showCall(deps: FlowCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'flow.show',
    summary: 'Shows the labels of a session with their origins, or the files and programs that have labels and what was declassified.',
    input: z.strictObject({ session: z.string().optional().describe('Id of a session. Absent: files, programs and declassifications.') }),
    output: shownFlow,
    example: {},
    recordOutput: ({ labels, files }) => ({ labels, files: files.length }),
    async run({ session }) {
      if (session !== undefined) {
        await deps.sessions.load(session as SessionId)
        const { labels, from, freed } = deps.sessions.history(session as SessionId)
        return {
          output: { labels, origins: writeOrigins(from), declassified: freed, files: [], programs: [], done: [] },
          text: describeLabels(labels, from) || 'No labels.',
        }
      }
      const { files } = await deps.openFlow()
      const found = files.list().slice(0, maxListedFiles)
      const told = await deps.told.list()
      const done = (await deps.documents.all<Declassified>(declassifiedCategory)).map(({ value }) => value)
      const lines = [
        ...found.map(({ path, labels, from }) => `${path}  ${describeLabels(labels, from)}`),
        ...told.map(({ program, labels, from }) => `${describeOrigin(program)}  ${describeLabels(labels, from)}`),
        ...done.map((one) => `${one.id}  ${one.path || one.call} declassified by ${one.by}: ${one.reason}`),
      ]
      const listed = found.map(({ path, labels }) => ({ path, labels }))
      const programs = told.map(({ program, labels }) => ({ program, labels }))
      const output = { labels: [], origins: [], declassified: [], files: listed, programs, done }
      return { output, text: lines.join('\n') || 'No file has labels.' }
    },
  })
}

const reading = z.strictObject({
  seq: z.int(),
  at: z.number(),
  call: z.string(),
  name: z.string(),
  labels: labelList,
  origins: z.array(z.string()).readonly(),
  declassified: z.boolean(),
})

type Reading = z.infer<typeof reading>

const why = z.strictObject({
  session: z.string(),
  given: labelList.describe('Labels that the session was given: by a message, a parent, a schedule, a fork.'),
  readings: z.array(reading).readonly().describe('What gave the session its labels, oldest first: of each label the first and the last.'),
  more: z.int(),
  call: z
    .strictObject({ name: z.string(), labels: labelList, outcome: z.string(), reason: z.string() })
    .nullable()
    .describe('How a call was judged.'),
})

type Why = z.infer<typeof why>

/** Readings that are shown. */
const maxReadings = 40

function whyCall(deps: FlowCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'flow.why',
    summary: 'Explains where the labels of a session come from, or why a call was allowed, asked or refused.',
    input: z.strictObject({ id: z.string().describe('Id of a session or of a call.') }),
    output: why,
    example: { id: '01890a5d-ac96-774b-bcce-b302099a8057' },
    recordOutput: ({ session, readings }) => ({ session, readings: readings.length }),
    async run({ id }) {
      const ofCall = await deps.store.records({ call: id as CallId, order: 'oldest_first', limit: 50, hydrate: true, phases: judgedPhases })
      const own = ofCall.filter(({ name }) => name !== newSessionCall)
      const session = own[0] === undefined ? (isUuid(id) ? (id as SessionId) : '') : own[0].session
      if (session === '')
        throw new OxbowError('not_found', `There is no session and no call of a session ${id}.`, { hint: 'See `oxbow sessions`.' })
      await deps.sessions.load(session)
      const before = own[0]?.seq ?? Infinity
      const all = await readingsOf(deps, session, before)
      const shown = all.length > maxReadings ? [...all.slice(0, maxReadings / 2), ...all.slice(-maxReadings / 2)] : all
      const output: Why = {
        session,
        given: deps.sessions.history(session).given,
        readings: shown,
        more: all.length - shown.length,
        call: own.length === 0 ? null : judgedAs(own),
      }
      return { output, text: whyText(output) }
    },
  })
}

const judgedPhases = ['intent', 'parked', 'decided', 'refused', 'outcome'] as const

function judgedAs(records: readonly JournalRecord[]): Why['call'] {
  const bodies = records.map(({ phase, body }) => ({ phase, ...(JSON.parse(body) as JsonObject) })) as readonly (JsonObject & {
    readonly phase: string
  })[]
  const parked = bodies.findLast(({ phase }) => phase === 'parked')
  const decided = bodies.findLast(({ phase }) => phase === 'decided')
  const refused = bodies.find(({ phase }) => phase === 'refused')
  const intent = bodies.find(({ phase }) => phase === 'intent')
  const labels = (intent?.['labels'] ?? parked?.['labels'] ?? []) as unknown as Labels
  const asked =
    decided === undefined
      ? 'waits for a person'
      : decided['allow'] === true
        ? `allowed by ${decided['by'] as string}`
        : 'refused by a person'
  const outcome = refused !== undefined && decided === undefined ? 'refused' : parked !== undefined ? asked : 'allowed by policy'
  const reason = (parked?.['reason'] ?? refused?.['text'] ?? '') as string
  return { name: records[0]?.name ?? '', labels, outcome, reason }
}

async function readingsOf(deps: FlowCallDeps, session: SessionId, before: number): Promise<readonly Reading[]> {
  const done = new Set((await deps.documents.all<Declassified>(declassifiedCategory)).map(({ value }) => value.call as string))
  const readings: Reading[] = []
  for await (const record of labelledRecords(deps.store, session)) {
    if (record.seq >= before) break
    const labels = readBy(deps, record)
    if (labels.length === 0) continue
    const { seq, at, call, name } = record
    readings.push({
      seq,
      at,
      call,
      name,
      labels,
      origins: originsIn(name, JSON.parse(record.body) as JsonObject, await inputOf(deps, call)),
      declassified: done.has(call),
    })
  }
  return readings
}

async function inputOf({ store }: FlowCallDeps, call: CallId): Promise<unknown> {
  const [intent] = await store.records({ call, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
  return intent === undefined ? null : (JSON.parse(intent.body) as JsonObject)['input']
}

function whyText({ session, given, readings, more, call }: Why): string {
  const lines = readings.map(({ seq, call: id, name, labels, origins, declassified: isFree }) => {
    const from = origins.map((one) => describeOrigin(one as DataOrigin)).join(', ')
    return `  #${seq}  ${labels.join(' and ')}  from ${from}  by ${name} (${id})${isFree ? ', declassified' : ''}`
  })
  return [
    ...(call === null ? [] : [`${call.name}: ${call.outcome}${call.reason === '' ? '' : `, because ${call.reason}`}.`, '']),
    `Session ${session} ${call === null ? 'has read' : 'had read before'}:`,
    ...(given.length === 0 ? [] : [`  ${given.join(' and ')}  given by what it was made from or was sent`]),
    ...lines,
    ...(more === 0 ? [] : [`  and ${more} more in between`]),
    ...(given.length === 0 && readings.length === 0 ? ['  nothing that has labels'] : []),
  ].join('\n')
}

const answer = labelledValue.extend({
  done: z.boolean(),
  left: labelList.describe('Labels that the session keeps, because of something else.'),
})

/** Null for a program with a key: only the person themselves may. */
function assertPerson({ caller }: CallContext): void {
  if (caller.actor.startsWith('user:')) return
  throw new OxbowError('denied', 'Only a person at a terminal can declassify data.', { hint: 'Use `oxbow flow declassify` there.' })
}

function declassify(deps: FlowCallDeps): Call {
  return defineCall({
    ...shared,
    name: declassifyCall,
    summary: 'Takes the labels off the result of one call, or off one file. Without digest: shows its exact content.',
    input: z
      .strictObject({
        call: z.string().optional().describe('Id of the call whose result it is.'),
        path: z.string().optional().describe('The file.'),
        digest: z.string().optional().describe('Digest of the content that you have seen. Absent: shows it, and changes nothing.'),
        reason: z.string().max(1_000).default('').describe('Why it may leave; for the record.'),
      })
      .refine(({ call, path }) => (call === undefined) !== (path === undefined), 'name either a call or a path'),
    output: answer,
    example: { call: '01890a5d-ac96-774b-bcce-b302099a8057', reason: '' },
    tier: 'side_effecting',
    right: 'flow.declassify',
    effect: 'once',
    recordOutput: ({ done, digest, labels, left }) => ({ done, digest, labels, left }),
    async run({ call, path, digest, reason }, context) {
      assertPerson(context)
      const { files } = await deps.openFlow()
      const value =
        call !== undefined ? await valueOfCall(deps, call as CallId) : await valueOfFile(files, workspacePath(path ?? '') ?? '', context)
      const { content, ...facts } = value
      if (digest === undefined) return { output: { done: false, content, left: [], ...facts }, text: content }
      if (digest !== value.digest)
        throw new OxbowError('bad_input', 'The content is not what you have seen.', { hint: 'Look at it again, without --digest.' })
      if (reason.trim() === '') throw new OxbowError('bad_input', 'A declassification needs a reason.', { hint: 'Add --reason "…".' })
      const of = { caller: context.caller, call: context.id, name: declassifyCall }
      const record: Declassified = { ...facts, id: context.id, by: context.caller.actor, reason, at: context.clock.now() }
      const left = value.path === '' ? await declassifyResult(deps, value) : []
      if (value.path !== '') await files.free(of, value.path, value.digest)
      const owner = { ...of, caller: { ...context.caller, session: value.session } }
      await deps.documents.put(owner, [{ category: declassifiedCategory, name: context.id, value: record }], { sync: true })
      const kept = left.length === 0 ? '' : ` The session stays ${left.join(' and ')} because of other data.`
      return {
        output: { done: true, content: '', left, ...facts },
        text: `Declassified.${kept} \`oxbow flow revoke ${context.id}\` takes it back.`,
      }
    },
  })
}

function revoke(deps: FlowCallDeps): Call {
  return defineCall({
    ...shared,
    name: revokeCall,
    summary: 'Takes a declassification back: the labels count again.',
    input: z.strictObject({ id: z.string().describe('Id of the declassification, as flow.show lists it.') }),
    output: z.object({ revoked: z.boolean() }),
    example: { id: '01890a5d-ac96-774b-bcce-b302099a8057' },
    tier: 'side_effecting',
    right: 'flow.declassify',
    effect: 'idempotent',
    async run({ id }, context) {
      assertPerson(context)
      const found = await deps.documents.get<Declassified>(declassifiedCategory, id)
      if (found === null)
        throw new OxbowError('not_found', `There is no declassification ${id}.`, { hint: '`oxbow flow show` lists them.' })
      const { session, path, labels } = found.value
      const of = { caller: { ...context.caller, session }, call: context.id, name: revokeCall }
      if (path !== '') await (await deps.openFlow()).files.free(of, path, '')
      else if (session !== '') {
        await deps.sessions.load(session)
        deps.sessions.declassify(session, labels, false)
      }
      await deps.documents.put(of, [{ category: declassifiedCategory, name: id, value: null }], { sync: true })
      return { output: { revoked: true }, text: 'The labels count again.' }
    },
  })
}
