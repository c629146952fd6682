/**
 * The calls by which a person takes memories and the labels of files out of this space and into another one. Sessions and schedules have calls
 * of their own for that (`session.export`, `schedule.create`). None is offered to a model.
 */
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import { OxbowError } from '../../base/index.ts'
import { type Call, defineCall, idSchema, type Label, labelSchema, parseOrigins, writeOrigins } from '../../protocol/index.ts'
import type { Flow } from '../flow/service.ts'
import { derivedFrom, derivedOf, derivedOutput } from './derived.ts'
import { maxSpaceLines, maxSpacePaths, spaceTimeoutMs } from './limits.ts'

type SpaceCallDeps = Pick<Core, 'memory' | 'store'> & { readonly flow: () => Promise<Flow> }

const shared = {
  right: 'space.move',
  effect: 'idempotent',
  tier: 'privileged',
  audience: ['terminal'],
  timeoutMs: spaceTimeoutMs,
} as const satisfies Partial<Call>

const memoryId = z.string().min(1).max(200)

const labelled = z.strictObject({
  path: z.string().max(4_096).describe('A file or folder, as agents see it.'),
  labels: z.array(labelSchema()).max(2),
  from: z
    .array(z.tuple([labelSchema(), idSchema('DataOrigin')]))
    .max(64)
    .describe('Where the data with these labels comes from.'),
})

/** Messages belong to their session, and summaries to what they sum up. What another space shares stays a matter of that space. */
const isMovable = ({ kind, author }: MemoryLine): boolean => ['note', 'fact', 'document'].includes(kind) && !author.startsWith('space:')

/** What is read here of a line of `memory.export`. */
interface MemoryLine {
  readonly id: string
  readonly kind: string
  readonly author: string
  readonly tags: readonly string[]
  readonly labels: readonly Label[]
}

const parseLine = (line: string): MemoryLine => JSON.parse(line) as MemoryLine

export function spaceCalls(deps: SpaceCallDeps): readonly Call[] {
  return [pack(deps), place(deps), clear(deps), derivedCall(deps)]
}

const packed = z.strictObject({
  lines: z.array(z.string()).readonly().describe('Memories, as `memory.export` writes them.'),
  next: z.string().nullable().describe('Cursor of the next page; null at the end.'),
  files: z.array(labelled).readonly(),
})

function pack({ memory, flow }: SpaceCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'space.pack',
    summary: 'Writes down memories, and the labels of files, so that they can be placed in another space. Changes nothing.',
    input: z.strictObject({
      ids: z.array(memoryId).max(maxSpaceLines).optional().describe('Notes, facts and documents. Absent: all, page by page.'),
      after: z.string().max(300).default('').describe('`next` of the previous page.'),
      paths: z.array(z.string().max(4_096)).max(maxSpacePaths).default([]).describe('Files and folders, as agents see them.'),
    }),
    output: packed,
    example: { ids: ['note-0198'], after: '', paths: ['/shared/taxes'] },
    tier: 'read_only',
    effect: 'none',
    labels: { adds: ['untrusted', 'private'], sink: false },
    recordOutput: ({ lines, files }) => ({ lines: lines.length, files: files.length }),
    async run({ ids, after, paths }, { caller }) {
      const transfer = await memory?.transfer()
      await memory?.caughtUp()
      const page =
        ids === undefined
          ? await transfer?.exportPage(after, caller)
          : { lines: (await transfer?.exportItems(ids, caller)) ?? [], next: null }
      const lines = (page?.lines ?? []).filter((line) => isMovable(parseLine(line)))
      if (ids !== undefined) assertAll(ids, lines)
      const { files } = await flow()
      const found = paths.map((path) => ({ path, held: files.at(path, { below: true }) }))
      return {
        output: {
          lines,
          next: page?.next ?? null,
          files: found.flatMap(({ path, held }) =>
            held.labels.length === 0 ? [] : [{ path, labels: [...held.labels], from: writeOrigins(held.from) }],
          ),
        },
      }
    },
  })
}

function assertAll(ids: readonly string[], lines: readonly string[]): void {
  const found = new Set(lines.map((line) => parseLine(line).id))
  const missing = ids.filter((id) => !found.has(id))
  if (missing.length === 0) return
  throw new OxbowError('not_found', `There is no note, fact or document ${missing.slice(0, 3).join(', ')} in this space.`, {
    hint: '`oxbow memory search` shows ids. What was said belongs to its session: move that. What another space shares is shared or moved from there.',
  })
}

function place({ memory, flow }: SpaceCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'space.place',
    summary: 'Places what `space.pack` wrote in another space: memories with their ids, and labels of files that follow.',
    input: z.strictObject({
      lines: z.array(z.string()).max(maxSpaceLines).describe('Memories of another space.'),
      files: z.array(labelled).max(maxSpacePaths).default([]).describe('Labels of files, by their paths here.'),
      shared: z
        .strictObject({ space: z.string().min(1).max(100), as: z.array(z.tuple([memoryId, memoryId])).max(maxSpaceLines) })
        .optional()
        .describe('The space that shares these, and under which id the copy of each is kept. Absent: they move.'),
    }),
    output: z.strictObject({ memories: z.int(), files: z.int() }),
    example: { lines: [], files: [] },
    labels: { adds: [], sink: false },
    recordInput: ({ lines, files, shared: by }) => ({
      lines: lines.length,
      files: files.map(({ path }) => path),
      ...(by !== undefined && { shared: by.space, ids: by.as.map(([, copy]) => copy) }),
    }),
    async run({ lines, files, shared: by }, { id: call, caller }) {
      if (files.length > 0) {
        const guard = await flow()
        for (const { path, labels, from } of files)
          await guard.files.mark({ caller, call, name: 'space.place' }, [path], { labels, from: parseOrigins(from) }, true)
      }
      const transfer = lines.length === 0 ? undefined : await memory?.transfer()
      const done = await transfer?.importLines(
        lines.map(by === undefined ? ofNoRecord : copyFor(by)),
        { overwrite: true, untrusted: false },
        caller,
      )
      const refused = done?.refused[0]
      if (refused !== undefined)
        throw new OxbowError('bad_input', `A memory cannot be placed: ${refused.why}.`, { hint: 'Nothing of it was moved.' })
      return { output: { memories: lines.length, files: files.length } }
    },
  })
}

/** Its session and its record are in the journal of another space. */
function ofNoRecord(line: string): string {
  return JSON.stringify({ ...(JSON.parse(line) as object), session: '', seq: 0 })
}

/** Of another space, so private; its relations are to memories that are not here, and nothing of it is the person's word here. */
function copyFor({ space, as }: { readonly space: string; readonly as: readonly (readonly [string, string])[] }): (line: string) => string {
  const copies = new Map(as)
  return (line) => {
    const { id, tags, labels } = parseLine(line)
    return JSON.stringify({
      ...(JSON.parse(ofNoRecord(line)) as object),
      id: copies.get(id),
      author: `space:${space}`,
      stream: '',
      tags: tags.filter((tag) => tag !== 'pin' && !tag.startsWith('plugin.')),
      labels: [...new Set<Label>([...labels, 'private'])].sort(),
      superseded_by: '',
      contradicts: [],
      confirmed_by: [],
      tier: 'warm',
      protection: 'high',
      extra: '',
    })
  }
}

function clear({ memory, flow }: SpaceCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'space.clear',
    summary: 'Removes memories that are in another space now, and the labels of files that went there.',
    input: z.strictObject({
      ids: z.array(memoryId).max(maxSpaceLines).describe('Memories.'),
      paths: z.array(z.string().max(4_096)).max(maxSpacePaths).default([]).describe('Files and folders.'),
    }),
    output: z.strictObject({ memories: z.int(), files: z.int() }),
    example: { ids: ['note-0198'], paths: [] },
    labels: { adds: [], sink: false },
    async run({ ids, paths }, { id: call, caller }) {
      const there = ids.length === 0 ? 0 : ((await (await memory?.transfer())?.remove(ids)) ?? 0)
      if (paths.length > 0) await (await flow()).files.setPast({ caller, call, name: 'space.clear' }, paths, true)
      return { output: { memories: there, files: paths.length } }
    },
  })
}

function derivedCall(deps: SpaceCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'space.derived',
    summary: 'Lists what follows from what another space shares: sessions that have read it, and the memories, files and state they made.',
    input: derivedFrom,
    output: derivedOutput,
    example: { path: '/shared/taxes', memories: [], schedules: [], sessions: [], elsewhere: false, moved: [] },
    tier: 'read_only',
    effect: 'none',
    labels: { adds: ['untrusted', 'private'], sink: false },
    recordOutput: ({ sessions, memories, files, state }) => ({
      sessions: sessions.length,
      memories: memories.length,
      files: files.length,
      state: state.length,
    }),
    async run(from) {
      await deps.memory?.caughtUp()
      return { output: await derivedOf({ store: deps.store, files: (await deps.flow()).files }, from) }
    },
  })
}
