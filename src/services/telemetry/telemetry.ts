/**
 * Follows the journal from the start of the guest: counts what is recorded, and sends spans of it where that is switched on. Opened with the
 * first record, or with the first question for metrics; what was recorded before that is read back.
 */
import { createRecentMap } from '../../base/index.ts'
import { sectionOf } from '../../config/index.ts'
import type { Core } from '../../kernel/index.ts'
import { isMessage, type Phase, type RecordView, startsTurn } from '../../protocol/index.ts'
import { followRecords } from '../follow-records.ts'
import { collectorOf, isSampled } from './collector.ts'
import { telemetryConfig } from './config.ts'
import { createExporter, type ExportState } from './exporter.ts'
import { maxReadBack, passagesMs, readPage } from './limits.ts'
import { createMeters, type Metric } from './meters.ts'
import { viewOf } from './record-view.ts'
import { createTraceFold, type TraceFold } from './trace-fold.ts'

export interface Telemetry {
  /** What was counted since the guest started. */
  metrics(): Promise<readonly Metric[]>
  state(): ExportState & { readonly problems: readonly string[] }
  /** Sends what waits. Never rejects. */
  close(): Promise<void>
}

/** Exchanges are the bytes of models; only the marks of crashes tell something. */
const phases: readonly Phase[] = ['intent', 'parked', 'decided', 'started', 'outcome', 'refused', 'reconciled']
const isTold = ({ phase, name }: RecordView): boolean => phase !== 'exchange' || name === 'turn.interrupted'

/** @param startedAt Unix milliseconds */
export async function openTelemetry(core: Core, startedAt: number): Promise<Telemetry> {
  const { clock, engine, events, host, journal, lanes, memory, store } = core
  const config = sectionOf(telemetryConfig, core.config)
  const meters = createMeters()
  const fold = createTraceFold(config)
  const { variables = {}, version = '' } = host?.collector ?? {}
  const node = host?.node ?? ''
  const own = { user: core.user, version, node, instance: `${process.pid}-${Math.round(startedAt)}` }
  const collector = config.enabled ? collectorOf(config, variables, own) : null
  const windows = createWindows(engine)
  // One after the other, in the order of the journal.
  let work: Promise<void> = Promise.resolve()
  const passages = createPassages(memory)
  const metrics = async (): Promise<readonly Metric[]> => {
    await work
    return meters.read({ activeSessions: lanes.running().length, passages: await passages(), node })
  }
  const exporter = collector === null ? null : createExporter({ collector, since: startedAt, now: clock.now, read: metrics })
  let last = 0
  const take = async (record: RecordView): Promise<void> => {
    if (record.seq <= last) return
    last = record.seq
    meters.take(record, windows)
    if (exporter === null || collector?.traces === null) return
    if (record.turn !== '' && !fold.knows(record.turn) && !startsTurn(record) && !isMessage(record)) await readTurn(store, fold, record)
    const spans = fold.take(record)
    exporter.spans(collector === null ? spans : spans.filter(({ trace }) => isSampled(trace, collector.ratio)))
  }
  const afterwards = (next: () => Promise<void>): Promise<void> => (work = work.then(next).catch(() => {}))
  const end = followRecords(events.watchers, isTold, (records) => {
    void afterwards(async () => {
      for (const record of records) await take(record)
    })
  })
  void afterwards(async () => {
    await journal.flushed()
    for await (const page of recordsSince(store, startedAt)) for (const record of page) await take(record)
  })
  return {
    metrics,
    state: () => ({ ...(exporter?.state() ?? { sent: 0, dropped: 0, waiting: 0, problem: '' }), problems: collector?.problems ?? [] }),
    async close() {
      end()
      await work
      exporter?.metrics()
      await exporter?.close()
    },
  }
}

/** Context windows by model, asked for once; a model's first request is counted without. */
function createWindows(engine: Core['engine']): (model: string) => number | undefined {
  const known = createRecentMap<string, number>(100)
  return (model) => {
    const tokens = known.get(model)
    if (tokens === undefined && model !== '') {
      known.put(model, 0)
      engine.facts(model).then(
        ({ contextTokens }) => known.put(model, contextTokens),
        () => {},
      )
    }
    return tokens
  }
}

function createPassages(memory: Core['memory']): () => Promise<number | null> {
  let [count, at]: [number | null, number] = [null, -Infinity]
  return async () => {
    if (memory === undefined || performance.now() - at < passagesMs) return count
    at = performance.now()
    count = await memory.stats().then(
      (stats) => stats.passages,
      () => null,
    )
    return count
  }
}

/** Yields what was recorded since, oldest first, a page at a time: a guest that runs for weeks has more than fits its memory. */
async function* recordsSince(store: Core['store'], since: number): AsyncGenerator<readonly RecordView[]> {
  const { seq: newest } = await store.head()
  let after = Math.max(newest - maxReadBack, await lastBefore(store, since, newest))
  for (;;) {
    const page = await store.records({ after, phases, order: 'oldest_first', limit: readPage, hydrate: true })
    yield page.map(viewOf)
    if (page.length < readPage) return
    after = page.at(-1)!.seq
  }
}

/** @returns the newest record from before that time, found by halves; 0: no such record */
async function lastBefore(store: Core['store'], since: number, newest: number): Promise<number> {
  let [low, high] = [0, newest]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [next] = await store.records({ after: middle, order: 'oldest_first', limit: 1, hydrate: false })
    if (next === undefined || next.at >= since) high = middle
    else low = next.seq
  }
  return low
}

/** A turn that was begun by an earlier guest: what it recorded is part of the trace. */
async function readTurn(store: Core['store'], fold: TraceFold, { turn, session, seq }: RecordView): Promise<void> {
  if (session === '' || turn === '') return
  const [begun] = await store.records({ call: turn as never, phases: ['started'], order: 'oldest_first', limit: 1, hydrate: true })
  if (begun === undefined) return
  fold.take(viewOf(begun))
  for (let after = begun.seq; ;) {
    const page = await store.records({
      session,
      after,
      before: seq,
      order: 'oldest_first',
      limit: readPage,
      hydrate: true,
      phases: [...phases, 'exchange'],
    })
    for (const record of page.map(viewOf)) if (record.turn === turn && isTold(record)) fold.take(record)
    if (page.length < readPage) return
    after = page.at(-1)!.seq
  }
}
