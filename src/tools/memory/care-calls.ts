/** Calls that maintain memory: origin, statistics, reindexing, forgetting, export and import. */
import { z } from 'zod'
import {
  exportPage,
  type Forgettable,
  type ForgetOutput,
  forgetOutput,
  type Forgotten,
  imported,
  looksLikeId,
  type Memory,
  memoryMap,
  memoryReport,
  provenance,
  reindexed,
} from '../../memory/index.ts'
import { type JsonObject, OxbowError, truncate, plural } from '../../base/index.ts'
import { type Call, defineCall, evident, forgetCall } from '../../protocol/index.ts'
import { changing, looking, noteId, sha256 } from './call-facts.ts'
import {
  forgetTimeoutMs,
  ingestTimeoutMs,
  maxForgetCharacters,
  maxForgetIds,
  maxImportCharacters,
  maxImportLines,
  shownCharacters,
  shownPlaces,
} from '../limits.ts'

export function careCalls(memory: Memory): readonly Call[] {
  return [whyCall(memory), forgettingCall(memory), statsCall(memory), mapCall(memory), reindexCall(memory)]
}

function whyCall(memory: Memory): Call {
  return defineCall({
    ...looking,
    name: 'memory.why',
    routes: [{ method: 'GET', path: '/memory/{note_id}/why' }],
    summary: 'Shows the origin of a memory, down to the journal record, and what corrects it.',
    input: z.strictObject({ note_id: noteId }),
    output: provenance,
    example: { note_id: 'note-0198' },
    audience: ['terminal'],
    recordOutput: ({ id, record }) => ({ id, seq: record?.seq ?? 0 }),
    async run({ note_id: id }, { caller }) {
      await memory.caughtUp()
      const why = await memory.why(id, caller)
      return { output: why, labels: why.labels }
    },
  })
}

function forgettingCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: forgetCall,
    does: ['delete'],
    routes: [{ method: 'POST', path: '/memory/forget' }],
    lasting: 'erases memories for good',
    event: () => ({ kind: 'memory_forgotten', fields: {} }),
    summary: 'Erases memories by id, or all that says a text, for good. Only when the person asks.',
    // Agents need an approval: it cannot be undone.
    tier: 'privileged',
    timeoutMs: forgetTimeoutMs,
    input: z.strictObject({
      ids: z.array(noteId).max(maxForgetIds).default([]).meta(evident('Memories to forget, with everything that says the same.')),
      text: z.string().max(maxForgetCharacters).default('').meta(evident('Forget everything that says this.')),
      dry_run: z.boolean().default(false).meta(evident('Only list what would be erased.')),
    }),
    output: forgetOutput,
    example: { ids: ['note-0198'], text: '', dry_run: true },
    audience: ['model', 'terminal'],
    // The record of forgetting must not hold the forgotten text.
    recordInput: ({ ids, text, dry_run: dry }) => ({
      ids: ids.map((id) => (looksLikeId(id) ? id : sha256(id))),
      dry_run: dry,
      text_sha256: text === '' ? '' : sha256(text),
    }),
    recordOutput,
    async run({ ids, text, dry_run: dry }, context) {
      await memory.caughtUp()
      const forgetting = await memory.forgetting()
      const question = { ids, text }
      if (dry) {
        const found = await forgetting.preview(question, context)
        return { output: { dry_run: true as const, ...found }, text: previewText(found), labels: found.labels }
      }
      const done = await forgetting.forget(question, context)
      return { output: { dry_run: false as const, ...done }, text: forgottenText(done), ok: done.left === 0 }
    },
  })
}

const nothingYet = { bodies: 0, blobs: 0, derived: 0, later: [], running: [], left: 0 } as const

/** Hashes and places only: the output is recorded, so the words are in `text`, which is not. */
function recordOutput(output: ForgetOutput): JsonObject {
  const { entries, records } = output
  const { bodies, blobs, derived, later, running, left } = output.dry_run ? nothingYet : output
  return {
    text: output.dry_run
      ? `${plural(entries.length, 'memory', 'memories')} and ${plural(records.length, 'record')} would be erased.`
      : forgottenText(output),
    dry_run: output.dry_run,
    entries: entries.map((entry) => ({ id: entry.id, sha256: sha256(entry.text) })),
    records: records.map(({ seq }) => seq),
    bodies,
    blobs,
    derived,
    later,
    running,
    left,
  }
}

function previewText({ entries, records, marks }: Forgettable): string {
  const lines = [
    `${plural(entries.length, 'memory', 'memories')} and ${plural(records.length, 'record')} of the journal would be erased. Nothing has changed.`,
    ...entries.slice(0, shownPlaces).map(({ id, kind, text }) => `- ${kind} ${id}: ${clip(text)}`),
    ...marks
      .slice(0, shownPlaces)
      .map(({ text, entries: count }) => `- tag or title of ${plural(count, 'memory', 'memories')} that would remain: ${clip(text)}`),
    ...records.slice(0, shownPlaces).map(({ seq, name, phase }) => `- record ${seq}: ${name}, ${phase}`),
  ]
  const more = [entries, records, marks].reduce((sum, { length }) => sum + Math.max(0, length - shownPlaces), 0)
  return [...lines, ...(more > 0 ? [`… and ${more} more.`] : [])].join('\n')
}

function clip(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return truncate(line, shownCharacters)
}

function forgottenText({ entries, bodies, derived, later, left }: Forgotten): string {
  return [
    `Forgotten: ${plural(entries.length, 'memory', 'memories')}, ${plural(bodies, 'body', 'bodies')} of the journal` +
      `${derived > 0 ? `, ${plural(derived, 'thing')} derived from them` : ''}.`,
    ...(later.length > 0
      ? [`${plural(later.length, 'record')} of running work ${later.length === 1 ? 'is' : 'are'} erased when it ends.`]
      : []),
    left === 0
      ? 'Checked: nothing says it any more. Do not repeat it.'
      : `Checked: ${plural(left, 'place')} still ${left === 1 ? 'says' : 'say'} it. Try again.`,
  ].join(' ')
}

function statsCall(memory: Memory): Call {
  return defineCall({
    ...looking,
    name: 'memory.stats',
    routes: [{ method: 'GET', path: '/memory/stats' }],
    summary: 'Shows how much is in memory, and the progress of indexing.',
    input: z.strictObject({}),
    output: memoryReport,
    example: {},
    audience: ['terminal'],
    run: async () => ({ output: await memory.stats() }),
  })
}

const mapKinds = ['note', 'fact', 'document', 'summary', 'message'] as const

function mapCall(memory: Memory): Call {
  return defineCall({
    ...looking,
    name: 'memory.map',
    routes: [{ method: 'GET', path: '/memory/map' }],
    summary: 'Places memories on a map, similar ones near each other.',
    input: z.strictObject({
      kinds: z.array(z.enum(mapKinds)).min(1).default(['note', 'fact', 'document', 'summary']).describe('Kinds of memories to place.'),
      limit: z.int().min(1).max(maxMapPoints).default(300).describe('Newest memories to place.'),
    }),
    output: memoryMap,
    example: { kinds: ['note', 'fact'], limit: 100 },
    audience: ['terminal'],
    labels: { adds: ['untrusted', 'private'], sink: false },
    recordOutput: ({ by, points }) => ({ by, points: points.length }),
    async run({ kinds, limit }, { caller }) {
      await memory.caughtUp()
      return { output: await memory.map(kinds, limit, caller), text: '' }
    },
  })
}

/** A thousand vectors are projected in a tenth of a second. */
const maxMapPoints = 1_000

function reindexCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.reindex',
    routes: [{ method: 'POST', path: '/memory/reindex' }],
    summary: 'Rebuilds memory from the journal and from all notes and documents, and recomputes all vectors; changes made by people stay.',
    timeoutMs: forgetTimeoutMs,
    input: z.strictObject({}),
    output: reindexed,
    example: {},
    audience: ['terminal'],
    async run(_, { signal }) {
      const output = await memory.reindex(signal)
      const { messages, written, vectors } = output
      const read = `${plural(messages, 'message')} and ${plural(written, 'other memory', 'other memories')} read again.`
      return { output, text: vectors ? `${read} Vectors are recomputed in the background: see \`oxbow memory stats\`.` : read }
    },
  })
}

export function transferCalls(memory: Memory): readonly Call[] {
  return [exportCall(memory), importCall(memory)]
}

function exportCall(memory: Memory): Call {
  return defineCall({
    ...looking,
    name: 'memory.export',
    routes: [{ method: 'GET', path: '/memory/export' }],
    summary: 'Exports memories as JSON lines with all fields, newest first, one page at a time.',
    input: z.strictObject({ after: z.string().max(300).default('').describe('`next` of the previous page.') }),
    output: exportPage,
    example: { after: '' },
    audience: ['terminal'],
    labels: { adds: ['untrusted', 'private'], sink: false },
    recordOutput: ({ lines, next }) => ({ lines: lines.length, next }),
    async run({ after }, { caller }) {
      await memory.caughtUp()
      const page = await (await memory.transfer()).exportPage(after, caller)
      return { output: page, text: plural(page.lines.length, 'line') }
    },
  })
}

function importCall(memory: Memory): Call {
  return defineCall({
    ...changing,
    name: 'memory.import',
    routes: [{ method: 'POST', path: '/memory/import' }],
    summary: 'Imports memories from memory.export; existing ones stay unless overwrite is set.',
    timeoutMs: ingestTimeoutMs,
    input: z.strictObject({
      lines: z.array(z.string()).max(maxImportLines).describe('Memories as written by memory.export, one JSON object per line.'),
      overwrite: z.boolean().default(false).describe('Replace existing memories whose content differs.'),
      untrusted: z.boolean().default(false).describe('Treat them as written by others.'),
    }),
    output: imported,
    example: { lines: [], overwrite: false, untrusted: false },
    audience: ['terminal'],
    // The journal must not keep a copy of all memories that outlives their forgetting.
    recordInput: ({ lines, overwrite, untrusted }) => ({ lines: lines.length, overwrite, untrusted }),
    recordOutput: ({ added, replaced, unchanged, conflicts, refused }) => ({
      added,
      replaced,
      unchanged,
      conflicts: conflicts.length,
      refused: refused.length,
    }),
    async run({ lines, overwrite, untrusted }, { caller }) {
      const characters = lines.reduce((sum, line) => sum + line.length, 0)
      if (characters > maxImportCharacters) {
        throw new OxbowError('limit_reached', `${characters} characters are too many; the limit is ${maxImportCharacters}.`, {
          hint: 'Import fewer lines at once.',
        })
      }
      const done = await (await memory.transfer()).importLines(lines, { overwrite, untrusted }, caller)
      const { added, replaced, unchanged, conflicts, refused } = done
      const text = `${added} added, ${replaced} replaced, ${unchanged} unchanged, ${plural(conflicts.length, 'conflict')}, ${refused.length} refused.`
      return { output: done, text, ok: refused.length === 0 && conflicts.length === 0 }
    },
  })
}
