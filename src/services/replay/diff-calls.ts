/** `session.diff`: two sessions or turns, side by side. */
import { z } from 'zod'
import { sessionId } from '../../kernel/index.ts'
import type { SessionId } from '../../base/index.ts'
import { type Call, defineCall, requestDifference } from '../../protocol/index.ts'
import { alignRuns, type DiffDeps, filesOf, readRun, type Row, type Run, type Unit } from './diff-runs.ts'
import { maxDiffRows, replayTimeoutMs, shownDiffChars } from './limits.ts'

const point = z.strictObject({
  session: sessionId.describe('Id of the session.'),
  turn: z.int().min(1).optional().describe('Only the turn of this message.'),
  step: z.int().min(1).optional().describe('Only up to this answer of the model.'),
})

const unit = z.strictObject({
  turn: z.int(),
  step: z.int(),
  name: z.string().describe('Of a call: its name; of an answer: the model; of an end: the status.'),
  text: z.string().describe('What was said, or the input of a call.'),
  result: z.string(),
  ok: z.boolean(),
  ms: z.number(),
  micro_dollars: z.int(),
  tokens: z.int(),
})

const row = z.strictObject({
  kind: z.enum(['message', 'answer', 'call', 'end']),
  change: z.enum(['same', 'changed', 'only_a', 'only_b']),
  a: unit.nullable(),
  b: unit.nullable(),
  request: requestDifference
    .nullable()
    .describe('Where the requests to the model differ, A first; null: they do not, or are not recorded.'),
})

const sum = z.strictObject({ turns: z.int(), answers: z.int(), calls: z.int(), micro_dollars: z.int(), tokens: z.int(), ms: z.number() })

const diffed = z.strictObject({
  a: sum,
  b: sum,
  same: z.int().describe('Rows that are the same.'),
  rows: z.array(row).describe('In their order; of a long comparison those that differ.'),
  more: z.int().describe('Rows that were left out.'),
  files: z
    .array(
      z.strictObject({
        path: z.string(),
        in: z.enum(['a', 'b', 'both']),
        same: z.boolean().nullable().describe('At the end of both; null: not known.'),
      }),
    )
    .describe('Files that they have changed.'),
  cut: z.boolean().describe('One of them is longer than what is compared.'),
})

const example = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

export function diffCall(deps: DiffDeps): Call {
  return defineCall({
    name: 'session.diff',
    rare: true,
    routes: [{ method: 'POST', path: '/sessions/diff' }],
    summary: 'Compares two sessions or turns: messages, requests, answers, calls, files, cost and time.',
    input: z.strictObject({ a: point, b: point }),
    output: diffed,
    example: { a: { session: example, turn: 2 }, b: { session: example, turn: 3 } },
    tier: 'read_only',
    right: 'session.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: ['private', 'untrusted'], sink: false },
    timeoutMs: replayTimeoutMs,
    recordOutput: ({ same, rows, more }) => ({ same, rows: rows.length + more }),
    async run(input) {
      const a = await readRun(deps, input.a)
      const b = await readRun(deps, input.b)
      const all = alignRuns(a, b)
      const wanted = all.length <= maxDiffRows ? all : all.filter(({ change }) => change !== 'same')
      return {
        output: {
          a: sumOf(a),
          b: sumOf(b),
          same: all.filter(({ change }) => change === 'same').length,
          rows: wanted.slice(0, maxDiffRows).map(rowOf),
          more: all.length - Math.min(wanted.length, maxDiffRows),
          files: [...(await filesOf(deps, a, b))],
          cut: a.isCut || b.isCut,
        },
      }
    },
  })
}

function sumOf({ units, turns, spent, ms }: Run) {
  const count = (kind: Unit['kind']): number => units.filter((one) => one.kind === kind).length
  return { turns, answers: count('answer'), calls: count('call'), micro_dollars: spent.microDollars, tokens: spent.tokens, ms }
}

function rowOf({ change, a, b, request }: Row) {
  return { kind: (a ?? b)!.kind, change, a: shownOf(a), b: shownOf(b), request }
}

function shownOf(of: Unit | null) {
  if (of === null) return null
  const { turn, step, name, text, result, ok, ms, spent } = of
  const short = (whole: string): string => (whole.length > shownDiffChars ? `${whole.slice(0, shownDiffChars)}…` : whole)
  return { turn, step, name, text: short(text), result: short(result), ok, ms, micro_dollars: spent.microDollars, tokens: spent.tokens }
}
