/** Notes: calls that write, rewrite, supersede and remove a fact. */
import { z } from 'zod'
import type { Memory } from '../../memory/index.ts'
import { type Call, defineCall, evident } from '../../protocol/index.ts'
import { noteBasis, plannedNote, putNote } from './planned-notes.ts'
import { assertReached, changing, content, moment, noteId, tags, toMoment } from './call-facts.ts'

/** As in the reference implementation. */
type NoteOutput = z.infer<typeof output>

const output = z.strictObject({ note_id: z.string(), message: z.string() })
const answer = (id: string, message: string): { output: NoteOutput; text: string } => ({
  output: { note_id: id, message },
  text: `${message} ${id}`,
})

export function noteCalls(memory: Memory): readonly Call[] {
  return [saveCall(memory), updateCall(memory), deleteCall(memory), supersedeCall(memory)]
}

function saveCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    labels: { ...changing.labels, silent: ['content'] },
    name: 'memory.save',
    does: [],
    routes: [{ method: 'POST', path: '/memory', status: 201 }],
    reaches: { kind: 'tags', fields: ['tags'] },
    event: () => ({ kind: 'memory_stored', fields: { source: 'note' } }),
    summary: 'Notes a lasting fact for later sessions, e.g. a preference or decision. No secrets.',
    input: z.strictObject({ content, tags: tags.default([]) }),
    output,
    example: { content: 'The person writes commit messages in the past tense.', tags: ['git'] },
    audience: ['model', 'terminal'],
    async run(input, context) {
      const { id, fresh } = await (await memory.notes()).save(input, (await memory.undo()).noting(context))
      return answer(id, fresh ? 'Noted.' : 'This was already noted.')
    },
    basis: async () => ({}),
    async planned({ content: text, tags: given }, plan) {
      const id = plan.newId('note-')
      await putNote(memory, plan, id, { text, tags: given })
      return answer(id, 'Noted.')
    },
  })
}

function updateCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.update',
    does: ['overwrite'],
    routes: [{ method: 'PATCH', path: '/memory/{note_id}' }],
    summary: 'Rewrites a wrong note. If the fact has changed, use memory_supersede.',
    input: z.strictObject({ note_id: noteId, content, tags: tags.optional().meta(evident('Absent: the tags stay.')) }),
    output,
    example: { note_id: 'note-0198', content: 'The person writes commit messages in the present tense.' },
    audience: ['model', 'terminal'],
    async run({ note_id: id, content: text, tags: newTags }, context) {
      await assertReached(memory, context.caller, [id])
      const asking = (await memory.undo()).noting(context)
      await (await memory.notes()).update(id, { content: text, tags: newTags ?? null }, asking)
      return answer(id, 'Rewritten.')
    },
    basis: ({ note_id: id }) => noteBasis(memory, id),
    async planned({ note_id: id, content: text, tags: newTags }, plan, { caller }) {
      const before = await plannedNote(memory, plan, id, caller)
      await putNote(memory, plan, id, { text, tags: newTags ?? before.tags })
      return answer(id, 'Rewritten.')
    },
  })
}

function deleteCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.delete',
    does: ['delete'],
    routes: [{ method: 'DELETE', path: '/memory/{note_id}' }],
    summary: 'Removes a note.',
    input: z.strictObject({ note_id: noteId }),
    output,
    example: { note_id: 'note-0198' },
    audience: ['model', 'terminal'],
    async run({ note_id: id }, context) {
      await assertReached(memory, context.caller, [id])
      await (await memory.notes()).remove(id, (await memory.undo()).noting(context))
      return answer(id, 'Removed.')
    },
    basis: ({ note_id: id }) => noteBasis(memory, id),
    async planned({ note_id: id }, plan, { caller }) {
      await plannedNote(memory, plan, id, caller)
      await putNote(memory, plan, id, null)
      return answer(id, 'Removed.')
    },
  })
}

function supersedeCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.supersede',
    does: ['overwrite'],
    routes: [{ method: 'POST', path: '/memory/{note_id}/supersede' }],
    summary: 'Notes what is true now; the older memory stays as history.',
    input: z.strictObject({
      note_id: noteId,
      content,
      tags: tags.optional(),
      from: moment.optional().describe('Date since when it is true.'),
    }),
    output: z.strictObject({ note_id: z.string(), message: z.string(), superseded: z.string() }),
    example: { note_id: 'note-0198', content: 'The person moved to Busan.' },
    audience: ['model', 'terminal'],
    async run({ note_id: id, content: text, tags: newTags, from }, context) {
      const since = from === undefined ? null : startOf(from)
      await assertReached(memory, context.caller, [id])
      const asking = (await memory.undo()).noting(context)
      const next = await (await memory.corrections()).supersede(id, { content: text, tags: newTags ?? null, from: since }, asking)
      const noted = answer(next, `Noted. It supersedes ${id}.`)
      return { ...noted, output: { ...noted.output, superseded: id } }
    },
    basis: ({ note_id: id }) => noteBasis(memory, id),
    async planned({ note_id: id, content: text, tags: newTags }, plan, { caller }) {
      const before = await plannedNote(memory, plan, id, caller)
      const next = plan.newId('note-')
      await putNote(memory, plan, next, { text, tags: newTags ?? before.tags })
      const noted = answer(next, `Noted. It supersedes ${id}.`)
      return { ...noted, output: { ...noted.output, superseded: id } }
    },
  })
}

/** For the start of a period, a day means its beginning. */
export function startOf(text: string): number {
  return text.length === 10 ? toMoment(`${text}T00:00`) : toMoment(text)
}
