/** Notes: the calls by which a person or an agent writes down, rewrites and removes a fact. */
import { z } from 'zod'
import type { Memory } from '../../memory/index.ts'
import type { Call } from '../../types/index.ts'
import { changing, content, moment, noteId, tags, toMoment } from './call-facts.ts'

/** As in the reference. */
interface NoteOutput {
  note_id: string
  message: string
}

const output: z.ZodType<NoteOutput> = z.strictObject({ note_id: z.string(), message: z.string() })
const answer = (id: string, message: string): { output: NoteOutput; text: string } => ({
  output: { note_id: id, message },
  text: `${message} ${id}`,
})

export function noteCalls(memory: Memory): readonly Call[] {
  return [saveCall(memory), updateCall(memory), deleteCall(memory), supersedeCall(memory)]
}

function saveCall(memory: Memory): Call<{ content: string; tags: string[] }, NoteOutput> {
  return {
    ...changing,
    name: 'memory.save',
    summary:
      'Notes a lasting fact for all later sessions: preferences, decisions, conventions, what worked. No secrets, nothing that a file says.',
    input: z.strictObject({ content: content.describe('The fact, in a sentence or two.'), tags: tags.default([]) }),
    output,
    example: { content: 'The person writes commit messages in the past tense.', tags: ['git'] },
    audience: ['model', 'terminal'],
    async run(input, context) {
      const { id, fresh } = await (await memory.notes()).save(input, context)
      return answer(id, fresh ? 'Noted.' : 'This was noted already.')
    },
  }
}

function updateCall(memory: Memory): Call<{ note_id: string; content: string; tags?: string[] | undefined }, NoteOutput> {
  return {
    ...changing,
    name: 'memory.update',
    summary: 'Rewrites a note that was wrong or unclear. What was true and changed is superseded instead.',
    input: z.strictObject({ note_id: noteId, content, tags: tags.optional().describe('Without it they stay.') }),
    output,
    example: { note_id: 'note-0198', content: 'The person writes commit messages in the present tense.' },
    audience: ['model', 'terminal'],
    async run({ note_id: id, content: text, tags: given }, context) {
      await (await memory.notes()).update(id, { content: text, tags: given ?? null }, context)
      return answer(id, 'Rewritten.')
    },
  }
}

function deleteCall(memory: Memory): Call<{ note_id: string }, NoteOutput> {
  return {
    ...changing,
    name: 'memory.delete',
    summary: 'Removes a note from memory.',
    input: z.strictObject({ note_id: noteId }),
    output,
    example: { note_id: 'note-0198' },
    audience: ['model', 'terminal'],
    async run({ note_id: id }) {
      await (await memory.notes()).remove(id)
      return answer(id, 'Removed.')
    },
  }
}

interface SupersedeInput {
  note_id: string
  content: string
  tags?: string[] | undefined
  from?: string | undefined
}

function supersedeCall(memory: Memory): Call<SupersedeInput, NoteOutput & { superseded: string }> {
  return {
    ...changing,
    name: 'memory.supersede',
    summary: 'Notes what holds now in place of an older memory, which stays as what held before.',
    input: z.strictObject({
      note_id: noteId.describe('The older one.'),
      content,
      tags: tags.optional(),
      from: moment.optional().describe('Since when, e.g. 2026-11-21. Without it, now.'),
    }),
    output: z.strictObject({ note_id: z.string(), message: z.string(), superseded: z.string() }),
    example: { note_id: 'note-0198', content: 'The person moved to Busan.' },
    audience: ['model', 'terminal'],
    async run({ note_id: id, content: text, tags: given, from }, context) {
      const since = from === undefined ? null : startOf(from)
      const next = await (await memory.corrections()).supersede(id, { content: text, tags: given ?? null, from: since }, context)
      const { output: noted, text: told } = answer(next, `Noted; ${id} held before.`)
      return { output: { ...noted, superseded: id }, text: told }
    },
  }
}

/** A day begins at its beginning where something holds from it on. */
export function startOf(text: string): number {
  return text.length === 10 ? toMoment(`${text}T00:00`) : toMoment(text)
}
