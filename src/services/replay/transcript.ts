/**
 * A session as a file: JSON with all that people and models said, or Markdown for people. Both can be imported again, by anybody; so what is
 * read is hostile until it fits the schema.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { labelSchema } from '../../protocol/index.ts'
import { maxImportedTurns, maxTranscriptText } from './limits.ts'

/** Lone halves of characters cannot be stored, and zero bytes are no text. */
const text = z
  .string()
  .max(maxTranscriptText)
  .refine((value) => value.isWellFormed() && !value.includes('\0'), 'must be text')
const line = text.max(500)
const time = z.int().nonnegative().max(8_640_000_000_000_000)

const attachment = z.strictObject({
  name: line,
  media_type: line,
  bytes: z.int().nonnegative(),
  hashes: z.array(z.string().regex(/^[0-9a-f]{64}$/)).describe('BLAKE3 of its pieces, in order.'),
})

const call = z.strictObject({ name: line, input: text.describe('JSON.'), ok: z.boolean(), text })

const answer = z.strictObject({
  model: line,
  text,
  calls: z.array(call).max(1_000),
  micro_dollars: z.int().nonnegative(),
  tokens: z.int().nonnegative(),
})

const transcriptTurn = z.strictObject({
  number: z.int().min(1),
  at: time.describe('When the message was sent, unix milliseconds.'),
  from: line.describe('Who sent it.'),
  message: text,
  attachments: z.array(attachment).max(100),
  answers: z.array(answer).max(1_000),
  status: line,
  reply: text,
})

export type TranscriptTurn = z.infer<typeof transcriptTurn>

const transcriptFile = z.strictObject({
  format: z.literal('oxbow-session'),
  version: z.literal(1),
  session: z.strictObject({
    id: line,
    title: text.max(1_000),
    created_at: time,
    exported_at: time,
    agent: line.max(60).optional().describe('Agent or persona that answered last, where it was not the usual one.'),
    labels: z
      .array(labelSchema())
      .max(2)
      .default(['private', 'untrusted'])
      .describe('Of what it had read. A file without them says nothing, and counts as having all.'),
  }),
  turns: z.array(transcriptTurn).min(1).max(maxImportedTurns),
  sha256: z.string().describe('Of the turns as JSON.'),
})

export type TranscriptFile = z.infer<typeof transcriptFile>

export function digestOf(turns: readonly TranscriptTurn[]): string {
  return createHash('sha256').update(JSON.stringify(turns)).digest('hex')
}

/** @throws OxbowError `bad_input` that says what is wrong with it */
export function readTranscript(content: string): TranscriptFile {
  const value = content.trimStart().startsWith('{') ? parseJson(content) : readMarkdown(content)
  const parsed = transcriptFile.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw refused(`${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'it does not fit'}`)
  }
  if (parsed.data.sha256 !== digestOf(parsed.data.turns)) throw refused('its turns are not what its sum says: it was changed or is cut off')
  return parsed.data
}

function refused(why: string): OxbowError {
  return new OxbowError('bad_input', `This is not an exported session: ${why.slice(0, 300)}.`, {
    hint: 'Import what `oxbow sessions export` wrote, unchanged.',
  })
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    throw refused('it is not JSON')
  }
}

// Markdown: what is for people, and what an import needs in comments, which no text can close.

const quote = (value: string): string =>
  value
    .split('\n')
    .map((each) => `> ${each}`.trimEnd())
    .join('\n')
const comment = (value: unknown): string =>
  `<!-- oxbow ${JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e').replaceAll('--', '\\u002d-')} -->`

export function toMarkdown({ session, turns, ...file }: TranscriptFile): string {
  const parts = [`# ${session.title.replace(/\s+/g, ' ') || 'Session'}`, comment({ ...file, session })]
  for (const turn of turns) {
    parts.push(`## ${turn.number} · ${new Date(turn.at).toISOString()} · ${turn.from}`, comment(turn), quote(turn.message))
    for (const { name, bytes, hashes } of turn.attachments)
      parts.push(`Attached: ${code(name)}, ${bytes} bytes, ${hashes.map(code).join(' ')}`)
    for (const { model, text: said, calls } of turn.answers) {
      if (said !== '') parts.push(`### ${model.replace(/\s+/g, ' ')}`, quote(said))
      for (const each of calls)
        parts.push(`- ${code(each.name)} ${code(short(each.input))} → ${each.ok ? '' : 'failed: '}${code(short(each.text))}`)
    }
    if (turn.status !== 'ok') parts.push(`Ended: ${turn.status}`, quote(turn.reply))
  }
  return `${parts.join('\n\n')}\n`
}

const short = (value: string): string => (value.length > 200 ? `${value.slice(0, 200)}…` : value).replace(/\s+/g, ' ')
const code = (value: string): string => `\`${value.replaceAll('`', "'")}\``

/** The comments alone are read: what people see between them is made from these. */
function readMarkdown(content: string): unknown {
  const found = [...content.matchAll(/^<!-- oxbow (\{.*\}) -->$/gm)].map(([, json = '']) => parseJson(json))
  const [head, ...turns] = found
  if (typeof head !== 'object' || head === null) throw refused('it is neither JSON nor Markdown of an exported session')
  return { ...head, turns }
}
