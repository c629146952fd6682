/** Schemas of what terminals are shown of a guest: sessions, records, turns, events, and how it is; the types follow from them. */
import { z } from 'zod'
import { keptFile } from './message-schema.ts'
import { failureSchema, idOrEmpty, idSchema, jsonObjectSchema, jsonSchema, labelSchema } from './output-schema.ts'
import { phases } from './record.ts'

export const sessionInfo = z.strictObject({
  id: idSchema('SessionId'),
  title: z.string(),
  created_at: z.number(),
  active_at: z.number(),
  turns: z.int(),
  busy: z.boolean().describe('True while a turn runs or waits.'),
  archived_at: z.number().exactOptional().describe('When it was archived; absent if it was not.'),
  parent: idSchema('SessionId').exactOptional().describe('The session that it was forked from.'),
  forked_at: z.number().exactOptional().describe('The last record that both share.'),
  agent: z.string().exactOptional().describe('Who answers in it now; absent: the usual agent.'),
  folder: z
    .string()
    .exactOptional()
    .describe('Folder of the person in which a program began it; absent: none, or not asked by `session.list`.'),
})

export type SessionInfo = z.infer<typeof sessionInfo>

export const recordView = z.strictObject({
  seq: z.int().describe('Its place in the journal.'),
  at: z.number().describe('Unix milliseconds.'),
  actor: z.string(),
  session: idOrEmpty('SessionId'),
  turn: idOrEmpty('TurnId'),
  call: idSchema('CallId'),
  name: z.string().describe('Name of the call.'),
  phase: z.enum(phases),
  body: jsonSchema(),
})

/** A record as followers see it, with its body parsed. */
export type RecordView = z.infer<typeof recordView>

const clientCall = z.strictObject({
  call: idSchema('CallId'),
  name: z.string(),
  arguments: z.string().describe('As the model wrote them.'),
})

/** A call of a program's tool, with which a turn ended. */
export type ClientCall = z.infer<typeof clientCall>

const shortName = z.string().min(1).max(200)

export const turnSource = z.strictObject({
  kind: z.enum(['direct', 'group']).describe('`direct`: only the sender and the agent read it; `group`: others do, too.'),
  mention: z.literal(true).exactOptional().describe('It names the agent.'),
  reply: z.literal(true).exactOptional().describe('It answers a message of the agent.'),
  command: z.literal(true).exactOptional().describe('It is a command to the agent.'),
  bot: z.literal(true).exactOptional().describe('A program wrote it, such as another agent.'),
  channel: shortName.exactOptional().describe('How it came, e.g. `telegram`.'),
  chat: shortName.exactOptional().describe('Where it was written, as the channel names it.'),
})

/** Where a message comes from. */
export type TurnSource = z.infer<typeof turnSource>

export const turnDecision = z.strictObject({
  action: z
    .enum(['respond', 'ignore', 'stop'])
    .describe('`ignore`: this message gets no answer. `stop`: nor do the next ones of the chat, until one is addressed to the agent.'),
  by: z.enum(['rule', 'model', 'hook']).describe('Who decided.'),
  reason: z.string().describe('Why, for people.'),
})

/** Whether a message is answered, who decided it, and why. */
export type TurnDecision = z.infer<typeof turnDecision>

const turnResult = z.strictObject({
  status: z.enum(['ok', 'failed', 'cancelled', 'limit']),
  turn: idSchema('TurnId'),
  reply: z.string(),
  steps: z.int(),
  failure: failureSchema().nullable(),
  calls: z
    .array(clientCall)
    .readonly()
    .exactOptional()
    .describe('The program that sent the message runs these, and continues with a message that has their results.'),
  decision: turnDecision.exactOptional().describe('Whether to answer; absent for a message that was written to the agent itself.'),
})

export type TurnResult = z.infer<typeof turnResult>

export const laneResult = z.union([
  turnResult,
  z
    .strictObject({ status: z.literal('merged'), into: idSchema('TurnId'), reply: z.literal('') })
    .describe('Another turn took the message.'),
])

export type LaneResult = z.infer<typeof laneResult>

const attachment = keptFile.extend({
  index: z.int().describe('Counts the attachments of its turn from 0.'),
  earlier: z.literal(true).exactOptional().describe('It came with an earlier turn.'),
})

/** A file attached to a message. */
export type Attachment = z.infer<typeof attachment>

export const mail = z.strictObject({
  id: idSchema('CallId'),
  text: z.string(),
  attachments: z.array(attachment).readonly().exactOptional(),
})

/** A message that was sent while a turn runs. */
export type Mail = z.infer<typeof mail>

const workspaceState = z.strictObject({
  digest: z.string().describe('Empty: too many files to compare.'),
  unread: z.int().exactOptional().describe('Files whose content was too much to compare; absent: none.'),
  changed: z.array(z.string()).readonly().describe('The first changes since it was last asked about.'),
  except: z.array(z.string()).readonly().describe('Files that keep changing, and are left out.'),
  running: z.int().describe('Programs that run in the workspace and can change files meanwhile.'),
})

/** The files that a command can see, but for those that are left out. */
export type FilesState = Pick<z.infer<typeof workspaceState>, 'digest' | 'except'>

const commandInputs = z.strictObject({
  program: z.string(),
  files: z
    .array(z.strictObject({ path: z.string(), hash: z.string(), script: z.literal(true).exactOptional() }))
    .readonly()
    .describe('The files that it runs or names; `script`: one that its program reads on its own.'),
  workspace: workspaceState
    .exactOptional()
    .describe('The files that it can see as they were when it was asked about; absent: they were not compared.'),
})

/** The installed program and the files that a command runs or names. */
export type CommandInputs = z.infer<typeof commandInputs>

export const pendingApproval = z.strictObject({
  call: idSchema('CallId'),
  session: idSchema('SessionId'),
  turn: idSchema('TurnId'),
  name: z.string(),
  input: z.string().describe('The exact input that would run, as JSON text.'),
  reason: z
    .string()
    .exactOptional()
    .describe('Why approval is needed: a policy, or the labels of the conversation. Guests of older versions leave it out.'),
  labels: z.array(labelSchema()).readonly().exactOptional().describe('Labels of the conversation that make it necessary; absent: none.'),
  origins: z
    .array(z.tuple([labelSchema(), idSchema('DataOrigin')]).readonly())
    .readonly()
    .exactOptional()
    .describe('Where the data with these labels comes from; hostile text.'),
  inputs: commandInputs
    .nullable()
    .exactOptional()
    .describe('What the command would run as it is now; absent for what runs nothing, or where that cannot be read.'),
  agent: z.string().exactOptional().describe("Agent below the session that shows it, whose call it is; absent: the session's own."),
  personal: z.literal(true).exactOptional().describe('A person must answer, not a program that allows whatever asks; absent: either.'),
  question: z
    .string()
    .exactOptional()
    .describe(
      'Digest of what is asked. A call that asks again, because something has changed, has another. Guests of older versions leave it out.',
    ),
  at: z.number().describe('Unix milliseconds.'),
})

/** A call that waits for approval. */
export type PendingApproval = z.infer<typeof pendingApproval>

const eventView = z.strictObject({
  seq: z.int().describe("The record's place in the journal: the cursor of whoever has taken it."),
  at: z.number().describe('Unix milliseconds.'),
  kind: z.string(),
  actor: z.string(),
  session: z.string(),
  fields: jsonObjectSchema(),
})

export type EventView = z.infer<typeof eventView>

export const eventPage = z.strictObject({
  events: z.array(eventView).readonly(),
  cursor: z.int().describe('Pass it as the next cursor: everything up to it was looked at.'),
  more: z.boolean().describe('More may follow at once.'),
})

export type EventPage = z.infer<typeof eventPage>

export const doctorCheck = z.strictObject({
  name: z.string(),
  state: z.enum(['ok', 'weak', 'missing']).describe('`weak`: it works, but something that was configured is not enforced.'),
  says: z.string().describe('What was found and what it means, in one line.'),
  fix: z.string().describe('What to do about it, if possible as a command; empty if nothing.'),
  required: z.boolean().describe('True for the configured tier, without which files and commands are disabled.'),
  ms: z.number(),
})

/** The result of one check of `oxbow doctor`. */
export type DoctorCheck = z.infer<typeof doctorCheck>

export const resourceSample = z.strictObject({
  at: z.number().describe('Unix milliseconds.'),
  cpu_percent: z.number().describe('Of all processors of the machine, since the sample before, 0 to 100.'),
  memory_used_mb: z.number(),
  memory_total_mb: z.number(),
  load_1m: z.number(),
  disk_used_percent: z.number().describe('Of the file system of the workspace; 0 where it cannot be read.'),
  disk_free_mb: z.number(),
  guest_cpu_percent: z.number().describe("Of this guest's processes of Oxbow, without the sandbox."),
  guest_memory_mb: z.number(),
  loop_delay_ms: z.number().describe('How much later than due this sample was taken: the event loop was busy that long.'),
  open_files: z.int(),
})

export type ResourceSample = z.infer<typeof resourceSample>

export const admissionState = z.strictObject({
  running: z.int(),
  queued: z.array(z.string()).readonly().describe('In the order in which they start, if nothing else enters.'),
  starts_left: z.int().describe('Starts that are left in the current minute.'),
  max_running: z.int(),
  paused_by: z.array(z.string()).readonly().describe('Why nothing starts although there is a place; empty: nothing holds it back.'),
})

export type AdmissionState = z.infer<typeof admissionState>
