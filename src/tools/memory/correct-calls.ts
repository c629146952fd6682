/** What people say about memories: that two are at odds, that one is right, that it holds for a time, that it may be trusted. */
import { z } from 'zod'
import type { Memory } from '../../memory/index.ts'
import type { Call } from '../../types/index.ts'
import { changing, moment, noteId, toMoment } from './call-facts.ts'
import { startOf } from './note-calls.ts'

interface Changed {
  note_id: string
  message: string
}

const output: z.ZodType<Changed> = z.strictObject({ note_id: z.string(), message: z.string() })
const answer = (id: string, message: string): { output: Changed; text: string } => ({ output: { note_id: id, message }, text: message })

export function correctCalls(memory: Memory): readonly Call[] {
  return [contradictCall(memory), confirmCall(memory), validCall(memory), promoteCall(memory), pinCall(memory)]
}

function contradictCall(memory: Memory): Call<{ note_id: string; other: string }, Changed> {
  return {
    ...changing,
    name: 'memory.contradict',
    summary: 'Marks two memories as saying opposite things, until one supersedes the other.',
    input: z.strictObject({ note_id: noteId, other: noteId.describe('The memory that says otherwise.') }),
    output,
    example: { note_id: 'note-0198', other: 'note-0199' },
    audience: ['terminal'],
    async run({ note_id: id, other }) {
      await (await memory.corrections()).contradict(id, other)
      return answer(id, `${id} and ${other} contradict each other now.`)
    },
  }
}

function confirmCall(memory: Memory): Call<{ note_id: string; by?: string | undefined }, Changed> {
  return {
    ...changing,
    name: 'memory.confirm',
    summary: 'Confirms a memory, by your own word or by another memory that says the same.',
    input: z.strictObject({ note_id: noteId, by: noteId.optional().describe('The memory that says the same.') }),
    output,
    example: { note_id: 'note-0198' },
    audience: ['terminal'],
    async run({ note_id: id, by }) {
      await (await memory.corrections()).confirm(id, by ?? null)
      return answer(id, `${id} is confirmed.`)
    },
  }
}

function validCall(memory: Memory): Call<{ note_id: string; from?: string | undefined; to?: string | undefined }, Changed> {
  return {
    ...changing,
    name: 'memory.valid',
    summary: 'Sets the time in which a memory holds.',
    input: z.strictObject({
      note_id: noteId,
      from: moment.optional().describe('First day or moment. Without it as it was.'),
      to: moment.optional().describe('Last day or moment. Without it, without end, or until what took its place.'),
    }),
    output,
    example: { note_id: 'note-0198', to: '2026-12-31' },
    audience: ['terminal'],
    async run({ note_id: id, from, to }) {
      const [since, until] = [from === undefined ? null : startOf(from), to === undefined ? null : toMoment(to)]
      const end = await (await memory.corrections()).setValid(id, since, until)
      const ends = end === null ? 'without end' : `until ${to ?? 'what took its place'}`
      return answer(id, `${id} holds ${from === undefined ? '' : `from ${from} `}${ends}.`)
    },
  }
}

function promoteCall(memory: Memory): Call<{ note_id: string }, Changed> {
  return {
    ...changing,
    name: 'memory.promote',
    summary: 'Takes the label `untrusted` off a memory, because a person has checked it.',
    input: z.strictObject({ note_id: noteId }),
    output,
    example: { note_id: 'note-0198' },
    audience: ['terminal'],
    async run({ note_id: id }, { caller }) {
      await (await memory.corrections()).promote(id, caller.actor)
      return answer(id, `${id} is trusted from now on.`)
    },
  }
}

function pinCall(memory: Memory): Call<{ note_id: string; pinned: boolean }, Changed> {
  return {
    ...changing,
    name: 'memory.pin',
    summary: 'Pins a note or a fact, so that it never fades; or takes the pin off.',
    input: z.strictObject({ note_id: noteId, pinned: z.boolean().default(true).describe('false lets it fade again.') }),
    output,
    example: { note_id: 'note-0198', pinned: true },
    audience: ['terminal'],
    async run({ note_id: id, pinned }) {
      await (await memory.corrections()).pin(id, pinned)
      return answer(id, pinned ? `${id} is pinned: it does not fade.` : `${id} is pinned no longer.`)
    },
  }
}
