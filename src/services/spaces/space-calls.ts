/**
 * The calls by which a person takes memories and the labels of files out of this space and into another one. Sessions and schedules have calls
 * of their own for that (`session.export`, `schedule.create`). None is offered to a model.
 */
import { z } from 'zod'
import { type Core, historyOf, maxSessionsRead } from '../../kernel/index.ts'
import { OxbowError } from '../../base/index.ts'
import { type Call, defineCall, idSchema, type LabelOrigin, labelSchema, parseOrigins, writeOrigins } from '../../protocol/index.ts'
import type { Flow } from '../flow/service.ts'
import { maxSpaceLines, maxSpacePaths, spaceTimeoutMs } from './limits.ts'

type SpaceCallDeps = Pick<Core, 'memory' | 'store'> & { readonly flow: () => Promise<Flow> }

const shared = {
  right: 'space.move',
  effect: 'idempotent',
  tier: 'privileged',
  audience: ['terminal'],
  timeoutMs: spaceTimeoutMs,
} as const satisfies Partial<Call>

const labelled = z.strictObject({
  path: z.string().max(4_096).describe('A file or folder, as agents see it.'),
  labels: z.array(labelSchema()).max(2),
  from: z
    .array(z.tuple([labelSchema(), idSchema('DataOrigin')]))
    .max(64)
    .describe('Where the data with these labels comes from.'),
})

/** Messages belong to their session, and summaries to what they sum up. */
const movable: ReadonlySet<string> = new Set(['note', 'fact', 'document'])

export function spaceCalls(deps: SpaceCallDeps): readonly Call[] {
  return [pack(deps), place(deps), clear(deps), derived(deps)]
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
      ids: z
        .array(z.string().min(1).max(200))
        .max(maxSpaceLines)
        .optional()
        .describe('Notes, facts and documents. Absent: all, page by page.'),
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
      const lines = (page?.lines ?? []).filter((line) => movable.has((JSON.parse(line) as { kind: string }).kind))
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
  const found = new Set(lines.map((line) => (JSON.parse(line) as { id: string }).id))
  const missing = ids.filter((id) => !found.has(id))
  if (missing.length === 0) return
  throw new OxbowError('not_found', `There is no note, fact or document ${missing.slice(0, 3).join(', ')} in this space.`, {
    hint: '`oxbow memory search` shows ids. What was said belongs to its session: move that.',
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
    }),
    output: z.strictObject({ memories: z.int(), files: z.int() }),
    example: { lines: [], files: [] },
    labels: { adds: [], sink: false },
    recordInput: ({ lines, files }) => ({ lines: lines.length, files: files.map(({ path }) => path) }),
    async run({ lines, files }, { id: call, caller }) {
      if (files.length > 0) {
        const guard = await flow()
        for (const { path, labels, from } of files)
          await guard.files.mark({ caller, call, name: 'space.place' }, [path], { labels, from: parseOrigins(from) }, true)
      }
      const transfer = lines.length === 0 ? undefined : await memory?.transfer()
      const done = await transfer?.importLines(lines.map(ofNoRecord), { overwrite: true, untrusted: false }, caller)
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

function clear({ store, flow }: SpaceCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'space.clear',
    summary: 'Removes memories that are in another space now, and the labels of files that went there.',
    input: z.strictObject({
      ids: z.array(z.string().min(1).max(200)).max(maxSpaceLines).describe('Memories.'),
      paths: z.array(z.string().max(4_096)).max(maxSpacePaths).default([]).describe('Files and folders.'),
    }),
    output: z.strictObject({ memories: z.int(), files: z.int() }),
    example: { ids: ['note-0198'], paths: [] },
    labels: { adds: [], sink: false },
    async run({ ids, paths }, { id: call, caller }) {
      const there = await store.memory.items(ids)
      for (const { entry } of there) await store.memory.change([{ change: 'erase', id: entry.id }])
      if (paths.length > 0) await (await flow()).files.setPast({ caller, call, name: 'space.clear' }, paths, true)
      return { output: { memories: there.length, files: paths.length } }
    },
  })
}

const derivedOutput = z.strictObject({
  sessions: z.array(z.strictObject({ id: idSchema('SessionId'), title: z.string() })).readonly(),
  files: z.array(z.string()).readonly(),
})

function derived({ store, flow }: SpaceCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'space.derived',
    summary:
      'Lists what follows from a folder that another space shares: sessions that have read it, with their memories, and files they wrote.',
    input: z.strictObject({ path: z.string().min(1).max(4_096).describe('The folder, as agents see it.') }),
    output: derivedOutput,
    example: { path: '/shared/taxes' },
    tier: 'read_only',
    effect: 'none',
    labels: { adds: ['untrusted', 'private'], sink: false },
    recordOutput: ({ sessions, files }) => ({ sessions: sessions.length, files: files.length }),
    async run({ path }) {
      const rows = await store.sessions(maxSessionsRead)
      const isFrom = (from: readonly LabelOrigin[]): boolean => from.some((one) => one.label === 'private' && mayBeOf(one.from, path))
      const read = rows.filter((row) => row.deleted === 0 && isFrom(historyOf(row).from))
      const { files } = await flow()
      const written = files.list().filter((file) => isFrom(file.from) && file.path !== path && !file.path.startsWith(`${path}/`))
      return { output: { sessions: read.map(({ id, title }) => ({ id, title })), files: written.map((file) => file.path) } }
    },
  })
}

/** A command has read all that it could see: its origin is a folder above, or the call. What may be of it counts, for it is to be gone. */
function mayBeOf(origin: string, path: string): boolean {
  const [kind, name] = [origin.slice(0, origin.indexOf(':')), origin.slice(origin.indexOf(':') + 1)]
  if (kind === 'call') return true
  return kind === 'path' && (name === path || name.startsWith(`${path}/`) || name === '/' || path.startsWith(`${name}/`))
}
