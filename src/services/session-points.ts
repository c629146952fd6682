/** `SESSION[@TURN[.STEP]]`, as people name a point of a session, and how two of them compare. */
import { formatMoney, formatMs, plainLine, table } from '../terminal/index.ts'
import { isUuid, type JsonObject, OxbowError, plural } from '../base/index.ts'
import type { AskCall, InputOf, OutputOf } from '../protocol/index.ts'
import { findSession } from './typed-values.ts'

/** As calls take it: a session, a message of it, and an answer in the turn of that. */
type Point = InputOf<'session.diff'>['a']

const form = /^([0-9a-zA-Z-]+)(?:@([1-9]\d{0,8})(?:\.(\d{1,8}))?)?$/

/** @returns null where the text is no point */
function readPoint(text: string): Point | null {
  const [, session, turn, step] = form.exec(text.trim()) ?? []
  if (session === undefined) return null
  return { session, ...(turn !== undefined && { turn: Number(turn) }), ...(step !== undefined && { step: Number(step) }) }
}

/** @returns whether a text can only be a point of a session, and no version of files */
export function isPoint(text: string): boolean {
  const point = readPoint(text)
  return point !== null && (point.turn !== undefined || isUuid(point.session))
}

/** @throws OxbowError `bad_input` */
function parsePoint(text: string): Point {
  const point = readPoint(text)
  if (point !== null) return point
  throw new OxbowError('bad_input', `${JSON.stringify(text.slice(0, 80))} is no point of a session.`, {
    hint: 'Name a session by the beginning of its id, and a message and a step of it: 019a@3.2. `oxbow sessions show 019a` numbers the messages.',
  })
}

/** @param text of a point @returns the point, with the whole id of its session @throws OxbowError `bad_input`, `not_found` */
export async function foundPoint(text: string, ask: AskCall): Promise<Point & JsonObject> {
  const point = parsePoint(text)
  return { ...point, session: (await findSession(ask, point.session)).id } as Point & JsonObject
}

/** @returns the call that compares two points, with its input */
export const diffOf = ({ a, b }: JsonObject) => ['session.diff', { a: a!, b: b! }] as const

type Diffed = OutputOf<'session.diff'>

const marks = { same: ' ', changed: '~', only_a: '-', only_b: '+' } as const

export function diffText({ a, b, same, rows, more, files, cut }: Diffed): string {
  const sums = table([
    ['', 'TURNS', 'ANSWERS', 'CALLS', 'COST', 'TOKENS', 'TIME'],
    ...(
      [
        ['A', a],
        ['B', b],
      ] as const
    ).map(([name, of]) => [
      name,
      `${of.turns}`,
      `${of.answers}`,
      `${of.calls}`,
      formatMoney(of.micro_dollars),
      `${of.tokens}`,
      formatMs(of.ms),
    ]),
  ])
  const changed = rows.filter(({ change, request }) => change !== 'same' || request !== null)
  const lines = changed.flatMap((row): readonly string[] => [
    `${marks[row.change]} ${placeOf(row)} ${sideText(row)}`,
    ...(row.request === null ? [] : [`    requests: ${plainLine(row.request.where, 200)}`]),
  ])
  const paths = files.map(({ path, in: of, same: isSame }) => {
    const state = of === 'a' ? 'only A' : of === 'b' ? 'only B' : isSame === null ? 'both' : isSame ? 'the same in both' : 'differs'
    return `  ${plainLine(path, 200)} (${state})`
  })
  return [
    sums,
    '',
    changed.length === 0
      ? `Everything is the same (${plural(same, 'row')}).`
      : `${plural(same, 'row')} the same. - only A, + only B, ~ changed:`,
    ...lines,
    ...(more > 0 && changed.length > 0 ? [`${more} more rows.`] : []),
    ...(paths.length > 0 ? ['', 'Files:', ...paths] : []),
    ...(cut ? ['One of them is too long to be compared whole.'] : []),
  ].join('\n')
}

type Row = Diffed['rows'][number]

function placeOf({ a, b }: Row): string {
  const of = (side: Row['a']): string => (side === null ? '' : `${side.turn}.${side.step}`)
  const [left, right] = [of(a), of(b)]
  return left === right || right === '' ? left : left === '' ? right : `${left}/${right}`
}

function sideText({ kind, a, b }: Row): string {
  const of = (side: NonNullable<Row['a']>): string => {
    const name = kind === 'call' ? `${side.name} ` : kind === 'end' ? `${side.name}: ` : ''
    return `${name}${plainLine(side.text, 100)}${kind === 'call' && !side.ok ? ' (failed)' : ''}`
  }
  if (a === null || b === null) return `${kind}: ${of((a ?? b)!)}`
  const [left, right] = [of(a), of(b)]
  if (left !== right) return `${kind}: ${left}\n    ${' '.repeat(kind.length)}→ ${right}`
  return `${kind}: ${left}${a.result === b.result ? '' : `\n    result: ${plainLine(a.result, 100)}\n          → ${plainLine(b.result, 100)}`}`
}
