/** Calls by which a person corrects memories: contradictions, confirmation, validity, trust and pins. */
import { z } from 'zod'
import type { Memory } from '../../memory/index.ts'
import { type Call, defineCall } from '../../protocol/index.ts'
import { assertReached, changing, moment, noteId, toMoment } from './call-facts.ts'
import { startOf } from './note-calls.ts'

type Changed = z.infer<typeof output>

const output = z.strictObject({ note_id: z.string(), message: z.string() })
const answer = (id: string, message: string): { output: Changed; text: string } => ({ output: { note_id: id, message }, text: message })

export function correctCalls(memory: Memory): readonly Call[] {
  return [contradictCall(memory), confirmCall(memory), validCall(memory), promoteCall(memory), pinCall(memory)]
}

function contradictCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.contradict',
    routes: [{ method: 'POST', path: '/memory/{note_id}/contradict' }],
    summary: 'Marks two memories as contradictory, until one supersedes the other.',
    input: z.strictObject({ note_id: noteId, other: noteId.describe('The memory that contradicts it.') }),
    output,
    example: { note_id: 'note-0198', other: 'note-0199' },
    audience: ['terminal'],
    async run({ note_id: id, other }, { caller }) {
      await assertReached(memory, caller, [id, other])
      await (await memory.corrections()).contradict(id, other)
      return answer(id, `${id} and ${other} are marked as contradictory.`)
    },
  })
}

function confirmCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.confirm',
    routes: [{ method: 'POST', path: '/memory/{note_id}/confirm' }],
    summary: 'Marks a memory as confirmed, by you or by another memory that says the same.',
    input: z.strictObject({ note_id: noteId, by: noteId.optional().describe('The memory that says the same.') }),
    output,
    example: { note_id: 'note-0198' },
    audience: ['terminal'],
    async run({ note_id: id, by }, { caller }) {
      await assertReached(memory, caller, [id, ...(by === undefined ? [] : [by])])
      await (await memory.corrections()).confirm(id, by ?? null)
      return answer(id, `${id} is confirmed.`)
    },
  })
}

function validCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.valid',
    routes: [{ method: 'PUT', path: '/memory/{note_id}/valid' }],
    summary: 'Sets the period in which a memory is valid.',
    input: z.strictObject({
      note_id: noteId,
      from: moment.optional().describe('First day or moment. Absent: unchanged.'),
      to: moment.optional().describe('Last day or moment. Absent: no end, or until the memory that replaced it.'),
    }),
    output,
    example: { note_id: 'note-0198', to: '2026-12-31' },
    audience: ['terminal'],
    async run({ note_id: id, from, to }, { caller }) {
      await assertReached(memory, caller, [id])
      const [since, until] = [from === undefined ? null : startOf(from), to === undefined ? null : toMoment(to)]
      const end = await (await memory.corrections()).setValid(id, since, until)
      const ends = end === null ? 'without end' : `until ${to ?? 'the memory that replaced it'}`
      return answer(id, `${id} is valid ${from === undefined ? '' : `from ${from} `}${ends}.`)
    },
  })
}

function promoteCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.promote',
    routes: [{ method: 'POST', path: '/memory/{note_id}/promote' }],
    summary: 'Removes the label `untrusted` from a memory that a person has checked.',
    input: z.strictObject({ note_id: noteId }),
    output,
    example: { note_id: 'note-0198' },
    audience: ['terminal'],
    async run({ note_id: id }, { caller }) {
      await assertReached(memory, caller, [id])
      await (await memory.corrections()).promote(id, caller.actor)
      return answer(id, `${id} is trusted now.`)
    },
  })
}

function pinCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.pin',
    routes: [{ method: 'POST', path: '/memory/{note_id}/pin' }],
    summary: 'Pins a note or fact so that it never fades, or unpins it.',
    input: z.strictObject({ note_id: noteId, pinned: z.boolean().default(true).describe('false: unpin it, so that it may fade again.') }),
    output,
    example: { note_id: 'note-0198', pinned: true },
    audience: ['terminal'],
    async run({ note_id: id, pinned }, { caller }) {
      await assertReached(memory, caller, [id])
      await (await memory.corrections()).pin(id, pinned)
      return answer(id, pinned ? `${id} is pinned and does not fade.` : `${id} is no longer pinned.`)
    },
  })
}
