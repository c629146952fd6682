/** `session.export` and `session.import`: a session as a file, and a file as a session in which nothing was run. */
import { z } from 'zod'
import { type Core, type Entry, firstLine, sessionId } from '../../kernel/index.ts'
import {
  type CallId,
  derivedId,
  isObject,
  type JsonObject,
  OxbowError,
  ownValue,
  type SessionId,
  textIn,
  type TurnId,
} from '../../base/index.ts'
import {
  type Attachment,
  type Call,
  defineCall,
  erasedText,
  generationCall,
  idSchema,
  isErased,
  isGeneration,
  type KeptFile,
  type Label,
  newSessionCall,
  originOf,
  toolPlace,
  turnCall,
} from '../../protocol/index.ts'
import { lineageOf } from './diff-runs.ts'
import { maxTransferBytes, replayTimeoutMs } from './limits.ts'
import { readTurns, type RecordedTurn } from './recorded-turns.ts'
import { digestOf, readTranscript, toMarkdown, type TranscriptFile, type TranscriptTurn } from './transcript.ts'

export type TransferDeps = Pick<Core, 'store' | 'sessions' | 'journal' | 'newId' | 'user' | 'lanes' | 'handoffs'>

const example = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

export function transferCalls(deps: TransferDeps): readonly Call[] {
  return [exportCall(deps), importCall(deps)]
}

function exportCall(deps: TransferDeps): Call {
  return defineCall({
    name: 'session.export',
    rare: true,
    routes: [{ method: 'GET', path: '/sessions/{session}/export' }],
    summary: 'Writes a session as a file: its messages, answers and calls, with the hashes of what was attached.',
    input: z.strictObject({
      session: sessionId.describe('Id of the session.'),
      format: z.enum(['json', 'markdown']).default('json').describe('`json`, or `markdown` for people.'),
    }),
    output: z.strictObject({ format: z.enum(['json', 'markdown']), turns: z.int(), file: z.string().describe('The file.') }),
    example: { session: example, format: 'markdown' },
    tier: 'read_only',
    right: 'session.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: ['private', 'untrusted'], sink: false },
    timeoutMs: replayTimeoutMs,
    recordOutput: ({ format, turns }) => ({ format, turns }),
    async run({ session, format }, { clock }) {
      const file = await fileOf(deps, session, clock.now())
      const written = format === 'json' ? `${JSON.stringify(file, null, 1)}\n` : toMarkdown(file)
      return { output: { format, turns: file.turns.length, file: written } }
    },
  })
}

async function fileOf(deps: TransferDeps, session: SessionId, now: number): Promise<TranscriptFile> {
  const { title, createdAt } = await deps.sessions.load(session)
  await deps.journal.flushed()
  const turns: TranscriptTurn[] = []
  let bytes = 0
  for (const { session: of, upto, before } of await lineageOf(deps, session)) {
    await readTurns(deps.store, of, {
      async ends(turn) {
        if (turn.started.seq > upto) return false
        const made = turnOf(turn, before + turn.number, upto)
        bytes += Buffer.byteLength(JSON.stringify(made))
        if (bytes > maxTransferBytes)
          throw new OxbowError('limit_reached', `The session has more than ${maxTransferBytes / 1024 / 1024} MiB of text.`, {
            hint: 'Fork it at a message, and export the fork; or `oxbow audit export` for everything.',
          })
        turns.push(made)
        return true
      },
    })
  }
  if (turns.length === 0)
    throw new OxbowError('not_found', 'The session has no messages to export.', { hint: '`oxbow sessions` lists those that have.' })
  const labels = [...(await deps.sessions.loadHeld(session))].sort()
  const agent = deps.handoffs.answering(session)
  const head = { id: session, title, created_at: createdAt, exported_at: now, labels, ...(agent !== undefined && { agent }) }
  return { format: 'oxbow-session', version: 1, session: head, turns, sha256: digestOf(turns) }
}

function turnOf(turn: RecordedTurn, number: number, upto: number): TranscriptTurn {
  const { message, started, calls, mail } = turn
  const sent = isObject(message.body['input']) ? message.body['input'] : started.body
  const answers: TranscriptTurn['answers'][number][] = []
  for (const each of [...calls.values()].sort((a, b) => a.seq - b.seq)) {
    if (each.end === null || each.end.seq > upto) continue
    const { body } = each.end
    const spent = isObject(body['spent']) ? body['spent'] : {}
    if (isGeneration(each)) {
      const asked = isObject(each.input) ? textIn(each.input, 'model') : ''
      answers.push({
        model: textIn(body, 'model') || asked,
        text: isErased(body) ? erasedText : partsText(body),
        calls: [],
        micro_dollars: wholeIn(spent, 'microDollars'),
        tokens: wholeIn(spent, 'tokens'),
      })
    } else if (toolPlace(each.id) !== null) {
      const ok = body['status'] === 'ok' && body['ok'] !== false
      const input = typeof each.input === 'string' ? each.input : JSON.stringify(each.input)
      answers.at(-1)?.calls.push({ name: each.name, input, ok, text: isErased(body) ? erasedText : textIn(body, 'text') })
    }
  }
  const end = turn.end !== null && turn.end.seq <= upto ? turn.end.body : {}
  const also = mail.map(({ body }) => textIn(body, 'text'))
  return {
    number,
    at: message.at,
    from: message.actor,
    message: isErased(message.body) ? erasedText : [textIn(sent, 'text'), ...also].join('\n\n'),
    attachments: attachmentsIn(sent['attachments']),
    answers,
    status: textIn(end, 'status') || 'open',
    reply: isErased(end) ? erasedText : textIn(end, 'reply'),
  }
}

function partsText({ message }: JsonObject): string {
  const parts = isObject(message) && Array.isArray(message['parts']) ? message['parts'] : []
  return parts.map((part) => (isObject(part) && part['type'] === 'text' ? textIn(part, 'text') : '')).join('')
}

function attachmentsIn(value: unknown): TranscriptTurn['attachments'] {
  return (Array.isArray(value) ? (value as readonly (Attachment & KeptFile)[]) : []).map(({ name, media_type, bytes, pieces }) => ({
    name,
    media_type,
    bytes,
    hashes: [...(pieces ?? [])],
  }))
}

function wholeIn(body: JsonObject, name: string): number {
  const value = ownValue(body, name)
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}

const imported = z.strictObject({
  session: idSchema('SessionId'),
  title: z.string(),
  turns: z.int(),
  agent: z.string().describe('Who answered in it, for `session.agent`: a file chooses nobody. Empty: the usual agent.'),
})

function importCall(deps: TransferDeps): Call {
  return defineCall({
    name: 'session.import',
    rare: true,
    routes: [{ method: 'POST', path: '/sessions/import', status: 201 }],
    summary:
      'Makes a session of an exported file. Its turns are marked as imported and untrusted, and private where they were; nothing in it is run.',
    input: z.strictObject({
      file: z.string().min(1).max(maxTransferBytes).describe('What `session.export` wrote.'),
      title: z.string().trim().max(200).optional().describe('Title of the new session. Default: as in the file.'),
    }),
    output: imported,
    example: { file: '{"format":"oxbow-session", …}', title: 'Taxes' },
    tier: 'side_effecting',
    right: 'session.write',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: replayTimeoutMs,
    recordInput: ({ file, title }) => ({ bytes: Buffer.byteLength(file), ...(title !== undefined && { title }) }),
    recordOutput: ({ session, turns }) => ({ session, turns }),
    async run({ file, title }, { id, signal }) {
      const found = readTranscript(file)
      const session = deps.newId() as SessionId
      const name = title ?? (firstLine(found.session.title) || 'Session')
      await deps.journal.append(createdBy(deps, session, name))
      // Whoever has had turns has a lane.
      deps.lanes.claim(session)
      // Before its first turn: nothing of it is ever trusted, and what was private still is.
      const labels = [...new Set<Label>([...found.session.labels, 'untrusted'])].sort()
      deps.sessions.join({ session }, labels, [originOf('path', 'imported session')])
      for (const [at, turn] of found.turns.entries()) {
        signal.throwIfAborted()
        await deps.journal.append(entriesOf(deps, session, { by: id, turn, at, labels }))
      }
      return { output: { session, title: name, turns: found.turns.length, agent: found.session.agent ?? '' } }
    },
  })
}

const importer = ({ user }: TransferDeps, session: SessionId) => ({ user, actor: 'program:import', session, turn: '' }) as const

/** The records of a session that has begun, which its row follows. */
function createdBy(deps: TransferDeps, session: SessionId, title: string): readonly Entry[] {
  const shared = { caller: { ...importer(deps, session), session: '' as const }, call: session as string as CallId, name: newSessionCall }
  return [
    { ...shared, phase: 'intent', body: { input: { title }, effect: 'idempotent' } },
    { ...shared, phase: 'outcome', body: { status: 'ok', ms: 0, id: session, title }, projection: 'new_session' },
  ]
}

interface ImportedTurn {
  readonly by: CallId
  readonly turn: TranscriptTurn
  readonly at: number
  readonly labels: readonly Label[]
}

/** The records of an imported turn, in one append: no turn is ever open, so none is run. */
function entriesOf(deps: TransferDeps, session: SessionId, { by, turn, at, labels }: ImportedTurn): readonly Entry[] {
  const id = derivedId('import', by, at) as CallId
  const generation = derivedId('import', by, at, 'answer') as CallId
  const caller = { ...importer(deps, session), turn: id as string as TurnId }
  const mark = { labels, imported: { number: turn.number, at: turn.at, from: turn.from } }
  const text = `[imported message of ${turn.from}]\n${turn.message}`
  const reply = answerText(turn)
  const message = { role: 'assistant', parts: [{ type: 'text', text: reply }] }
  const usage = { inputTokens: 0, outputTokens: 0, estimated: true }
  const entry = (call: CallId, name: string, phase: Entry['phase'], body: JsonObject): Entry => ({
    caller,
    call,
    name,
    phase,
    body: { ...body, ...mark },
  })
  return [
    entry(id, turnCall, 'intent', { input: { text }, effect: 'idempotent' }),
    entry(id, turnCall, 'started', { text }),
    entry(generation, generationCall, 'intent', { input: { model: turn.answers.at(-1)?.model ?? '' }, effect: 'idempotent' }),
    entry(generation, generationCall, 'outcome', { status: 'ok', ms: 0, message, finish: 'stop', usage }),
    entry(id, turnCall, 'outcome', { status: 'ok', ms: 0, turn: id, reply, steps: 0, failure: null }),
  ]
}

/** What was said and called, as a text: calls of another journal are told, and are no calls of this one. */
function answerText({ answers, reply, status }: TranscriptTurn): string {
  const parts = answers.flatMap(({ text, calls }) => [
    text,
    ...calls.map(({ name, input, ok, text: result }) => `[imported call ${name} ${input}${ok ? '' : ', failed'}]\n${result}`),
  ])
  const all = status === 'ok' && parts.at(-1) === reply ? parts : [...parts, ...(parts.includes(reply) ? [] : [reply])]
  return all.filter((part) => part !== '').join('\n\n') || '[imported: no answer]'
}
