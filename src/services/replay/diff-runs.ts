/** Compares two sessions or turns: what was said, asked and called stands side by side, with what it cost and how long it took. */
import { type Core, maxForkDepth } from '../../kernel/index.ts'
import { isObject, type JsonObject, OxbowError, ownValue, type SessionId, textIn } from '../../base/index.ts'
import {
  addSpend,
  type AssistantMessage,
  isErased,
  erasedText,
  type InputOf,
  isGeneration,
  noSpend,
  type OutputOf,
  type RecordedAsk,
  type RequestDifference,
  type Spend,
  textOf,
  toolCallsOf,
  toolPlace,
} from '../../protocol/index.ts'
import type { OpenVersions } from '../versions/service.ts'
import { align } from './align.ts'
import { maxComparedAsks, maxDiffFiles, maxDiffUnits, maxSearchedVersions } from './limits.ts'
import { readTurns, type RecordedCall, type RecordedTurn } from './recorded-turns.ts'

export interface DiffDeps extends Pick<Core, 'store' | 'sessions' | 'engine' | 'journal' | 'registry'> {
  readonly versions: () => Promise<OpenVersions>
}

/** One thing that happened. */
export interface Unit {
  readonly kind: 'message' | 'answer' | 'call' | 'end'
  readonly turn: number
  readonly step: number
  /** Of a call: its name; of an answer: the model. */
  readonly name: string
  /** What was said, or the input of a call. */
  readonly text: string
  /** Of a call: what came of it. */
  readonly result: string
  readonly ok: boolean
  readonly ms: number
  readonly spent: Spend
  readonly ask: RecordedAsk | null
}

export interface Run {
  readonly units: readonly Unit[]
  readonly turns: number
  readonly spent: Spend
  readonly ms: number
  /** Ids of its turns. */
  readonly ids: readonly string[]
  /** Files that its calls name, of those that write. */
  readonly paths: ReadonlySet<string>
  readonly isCut: boolean
}

type RunPoint = InputOf<'session.diff'>['a']

/** @throws OxbowError `not_found` */
export async function readRun(deps: DiffDeps, { session: id, ...point }: RunPoint): Promise<Run> {
  const session = id as SessionId
  const [turn, step] = [point.turn ?? null, point.step ?? null]
  await deps.journal.flushed()
  const units: Unit[] = []
  const ids: string[] = []
  const paths = new Set<string>()
  let [spent, ms, asked, isCut]: [Spend, number, number, boolean] = [noSpend, 0, 0, false]
  for (const part of await lineageOf(deps, session)) {
    const reader = await deps.engine.exchanges?.()
    const asks = new Map<string, RecordedAsk>()
    await readTurns(deps.store, part.session, {
      async take({ phase, name, seq, body }) {
        if (seq > part.upto || phase !== 'exchange' || !isGeneration({ name }) || isErased(body) || asked >= maxComparedAsks) return
        const ask = (await reader?.take(body).catch(() => null)) ?? null
        if (ask !== null) asks.set(ask.generation, ask)
      },
      async ends(each) {
        if (each.started.seq > part.upto) return false
        const number = part.before + each.number
        if (turn !== null && turn !== number) {
          asks.clear()
          return number < turn
        }
        const own = unitsOf(each, { number, upto: part.upto, step: turn === null ? null : step, asks })
        asked += own.filter(({ ask }) => ask !== null).length
        asks.clear()
        isCut ||= units.length + own.length > maxDiffUnits
        units.push(...own.slice(0, maxDiffUnits - units.length))
        ids.push(each.id)
        for (const call of each.calls.values()) for (const path of writtenBy(deps, call)) paths.add(path)
        spent = own.reduce((sum, unit) => addSpend(sum, unit.spent), spent)
        ms += Math.max(0, (each.end?.at ?? each.started.at) - each.started.at)
        return !isCut
      },
    })
  }
  if (ids.length === 0)
    throw new OxbowError('not_found', turn === null ? 'The session has no turns.' : `The session has no message ${turn}.`, {
      hint: '`oxbow sessions show ID` numbers its messages.',
    })
  return { units, turns: ids.length, spent, ms, ids, paths, isCut }
}

interface Part {
  readonly session: SessionId
  /** Only records up to this one belong to the history. */
  readonly upto: number
  /** Messages before it. */
  readonly before: number
}

/** The sessions whose turns make up the history of one, the oldest first. */
export async function lineageOf({ store, sessions }: Pick<DiffDeps, 'store' | 'sessions'>, session: SessionId): Promise<readonly Part[]> {
  const parts: { session: SessionId; upto: number }[] = []
  let upto = Number.MAX_SAFE_INTEGER
  for (let id: SessionId | '' = session; id !== '' && parts.length <= maxForkDepth;) {
    const row: { readonly parent: SessionId | ''; readonly forked: number } = await sessions.load(id)
    parts.unshift({ session: id, upto })
    upto = Math.min(upto, row.forked)
    id = row.parent
  }
  const counted: Part[] = []
  let before = 0
  for (const [at, part] of parts.entries()) {
    counted.push({ ...part, before })
    // The newest part is not counted: nothing comes after it.
    if (at < parts.length - 1) before += await messagesIn(store, part)
  }
  return counted
}

async function messagesIn(
  store: DiffDeps['store'],
  { session, upto }: { readonly session: SessionId; readonly upto: number },
): Promise<number> {
  let found = 0
  for (let before: number | null = upto + 1; before !== null;) {
    const rows = await store.history(session, before > Number.MAX_SAFE_INTEGER ? null : before, historyRows)
    found += rows.filter(({ name, phase }) => phase === 'started' && name !== '').length
    before = rows.length < historyRows ? null : (rows.at(-1)?.seq ?? null)
  }
  return found
}

const historyRows = 500

interface UnitsOf {
  readonly number: number
  readonly upto: number
  readonly step: number | null
  readonly asks: ReadonlyMap<string, RecordedAsk>
}

function unitsOf(turn: RecordedTurn, { number, upto, step: until, asks }: UnitsOf): readonly Unit[] {
  const plain = { turn: number, result: '', ok: true, ask: null }
  const sent = isObject(turn.message.body['input']) ? turn.message.body['input'] : turn.message.body
  const units: Unit[] = [
    { ...plain, kind: 'message', step: 0, name: '', text: textIn(sent, 'text'), ms: 0, spent: spentIn(turn.message.body) },
  ]
  let step = 0
  for (const call of [...turn.calls.values()].sort((a, b) => a.seq - b.seq)) {
    if (call.end === null || call.end.seq > upto) continue
    const { body } = call.end
    const shared = { ...plain, ms: numberIn(body, 'ms'), spent: spentIn(body) }
    if (isGeneration(call)) {
      if (until !== null && step >= until) break
      step += 1
      const asked = isObject(call.input) ? textIn(call.input, 'model') : ''
      const name = textIn(body, 'model') || asked
      units.push({ ...shared, kind: 'answer', step, name, text: answerIn(body), ask: asks.get(call.id) ?? null })
    } else if (toolPlace(call.id) !== null) {
      const ok = body['status'] === 'ok' && body['ok'] !== false
      units.push({ ...shared, kind: 'call', step, name: call.name, text: textOfJson(call), result: textIn(body, 'text'), ok })
    } else if (spentIn(body) !== noSpend) units.push({ ...shared, kind: 'call', step, name: call.name, text: '', ok: true })
  }
  const ended = turn.end !== null && turn.end.seq <= upto && until === null ? turn.end.body : null
  // A turn that ended well says what its last answer does.
  if (ended !== null && ended['status'] !== 'ok')
    units.push({
      ...plain,
      kind: 'end',
      step,
      name: textIn(ended, 'status'),
      text: textIn(ended, 'reply'),
      ok: false,
      ms: 0,
      spent: noSpend,
    })
  return units
}

function answerIn(body: JsonObject): string {
  const { message } = body
  if (isErased(body) || !isObject(message)) return isErased(body) ? erasedText : textIn(body, 'text')
  const answer = message as unknown as AssistantMessage
  const calls = toolCallsOf(answer).map(({ name }) => `→ ${name}`)
  return [textOf(answer), ...calls].filter((text) => text !== '').join('\n')
}

function textOfJson({ input }: RecordedCall): string {
  return typeof input === 'string' ? input : JSON.stringify(input)
}

/** Files that a call names to write them; versions know of what programs have changed. */
function writtenBy({ registry }: Pick<DiffDeps, 'registry'>, { name, input, end }: RecordedCall): readonly string[] {
  const call = registry.find(name)
  const path = isObject(input) ? input['path'] : undefined
  return call?.files === 'writes' && typeof path === 'string' && end?.body['status'] === 'ok' ? [path] : []
}

function numberIn(body: JsonObject, name: string): number {
  const value = ownValue(body, name)
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

function spentIn(body: JsonObject): Spend {
  const { spent } = body
  if (!isObject(spent)) return noSpend
  return { microDollars: numberIn(spent, 'microDollars'), tokens: numberIn(spent, 'tokens') }
}

export interface Row {
  readonly change: 'same' | 'changed' | 'only_a' | 'only_b'
  readonly a: Unit | null
  readonly b: Unit | null
  /** Where their requests differ; null: they do not, or are not recorded. */
  readonly request: RequestDifference | null
}

export function alignRuns(a: Run, b: Run): readonly Row[] {
  const keyOf = (unit: Unit): string =>
    JSON.stringify([unit.kind, unit.kind === 'answer' ? '' : unit.name, unit.text, unit.result, unit.ok])
  const kindOf = ({ kind, name }: Unit): string => `${kind} ${kind === 'call' ? name : ''}`
  return align(a.units, b.units, keyOf, kindOf).map(([left, right]) => {
    const request = left?.ask && right?.ask ? left.ask.differs(right.ask) : null
    if (left === null || right === null) return { change: left === null ? 'only_b' : 'only_a', a: left, b: right, request }
    return { change: keyOf(left) === keyOf(right) ? 'same' : 'changed', a: left, b: right, request }
  })
}

type FileLine = OutputOf<'session.diff'>['files'][number]

/** Files that the runs have changed, as versions and the inputs of their calls say. */
export async function filesOf({ versions }: Pick<DiffDeps, 'versions'>, a: Run, b: Run): Promise<readonly FileLine[]> {
  const kept = await (await versions()).versioning.versions().catch(() => null)
  const all = kept === null ? [] : await kept.log({ from: 'HEAD', path: '', limit: maxSearchedVersions }).catch(() => [])
  const sides: { paths: Set<string>; last: string }[] = []
  for (const run of [a, b]) {
    const ids = new Set(run.ids)
    const own = all.filter(({ trailers }) => ids.has(trailers['oxbow-turn'] ?? ''))
    const paths = new Set(run.paths)
    for (const { commit } of own) {
      const { changes } = await kept!.compare({ from: '', to: commit, path: 'shared', text: false, limit: maxDiffFiles })
      for (const { path } of changes) paths.add(`/${path}`)
    }
    sides.push({ paths, last: own[0]?.commit ?? '' })
  }
  const [left, right] = sides as [(typeof sides)[0], (typeof sides)[0]]
  const isKnown = left.last !== '' && right.last !== ''
  const differ = isKnown ? await kept!.compare({ from: left.last, to: right.last, path: 'shared', text: false, limit: maxDiffFiles }) : null
  const different = new Set(differ?.changes.map(({ path }) => `/${path}`))
  return [...new Set([...left.paths, ...right.paths])]
    .sort()
    .slice(0, maxDiffFiles)
    .map((path) => {
      const isBoth = left.paths.has(path) && right.paths.has(path)
      return {
        path,
        in: isBoth ? 'both' : left.paths.has(path) ? 'a' : 'b',
        same: isBoth && differ !== null ? !different.has(path) : null,
      }
    })
}
