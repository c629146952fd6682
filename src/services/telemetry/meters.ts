/** Metrics, folded from records: what a collector is sent and what Prometheus reads are the same numbers. */
import { isObject, type JsonObject, textIn } from '../../base/index.ts'
import { completionCall, embeddingCall, generationCall, isToolCall, isTurn, type RecordView } from '../../protocol/index.ts'
import { genAi, general, metricNames, operations } from './names.ts'
import { errorIn, modelIn, numberIn, objectIn } from './trace-fold.ts'

/** Names of attributes to their values. */
type Labels = Readonly<Record<string, string>>

interface Histogram {
  /** Upper bounds; the last bucket is everything above. */
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
  readonly count: number
}

export interface Metric {
  readonly name: string
  readonly what: string
  /** As UCUM has it: `s`, `{token}`, `1`. */
  readonly unit: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly series: readonly { readonly labels: Labels; readonly value: number | Histogram }[]
}

export interface Meters {
  /** @param contextTokens of a model, as `provider/model`; undefined: not known */
  take(record: RecordView, contextTokens: (model: string) => number | undefined): void
  /** @param now what is not counted but looked at */
  read(now: { readonly activeSessions: number; readonly passages: number | null; readonly node?: string }): readonly Metric[]
}

/** Of the conventions. */
const tokenBounds = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864]
const secondBounds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
/** A turn may wait for a person. */
const turnBounds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 3_600]
const toolBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** A model may ask for tools by any name: further series of a metric are counted as one. */
const maxSeries = 500
const overflow: Labels = { 'otel.metric.overflow': 'true' }

export function createMeters(): Meters {
  const turns = createHistogram(metricNames.turnDuration, 'Time of a turn, from its message to its end.', 's', turnBounds)
  const executions = createNumber(metricNames.toolExecutions, 'Calls of tools that have ended, by outcome.', '{call}', 'counter')
  const toolTimes = createHistogram(metricNames.toolDuration, 'Time of a call of a tool.', 's', toolBounds)
  const models = createModelMeters()
  return {
    take(record, contextTokens) {
      const { phase, name } = record
      const body = isObject(record.body) ? record.body : {}
      if (isModelCall(name)) return models.take(record, body, contextTokens)
      if (phase !== 'outcome' && phase !== 'refused' && phase !== 'reconciled') return
      const ms = numberIn(body, 'ms')
      const status = errorIn(body)?.code ?? (textIn(body, 'status') || phase)
      if (isTurn(record)) {
        if (status !== 'merged' && ms !== undefined) turns.add({ status }, ms / 1_000)
      } else if (isToolCall(record)) {
        executions.add({ tool: name, status }, 1)
        if (ms !== undefined) toolTimes.add({ tool: name }, ms / 1_000)
      }
    },
    read({ activeSessions, passages, node = '' }) {
      const looked = (name: string, what: string, unit: string, value: number, labels: Labels = {}): Metric => {
        return { name, what, unit, kind: 'gauge', series: [{ labels, value }] }
      }
      return [
        ...models.read(),
        ...[turns, executions, toolTimes].map((meter) => meter.read()),
        looked(metricNames.activeSessions, 'Sessions whose turn runs now.', '{session}', activeSessions),
        ...(node === ''
          ? []
          : [
              looked(metricNames.clusterNode, 'Always 1; the label names the node of the cluster that runs this guest.', '{node}', 1, {
                node,
              }),
            ]),
        ...(passages === null ? [] : [looked(metricNames.memoryPassages, 'Passages of texts that memory can find.', '{chunk}', passages)]),
      ]
    },
  }
}

/** Requests to models, in turns and in the background. */
function createModelMeters() {
  const tokens = createHistogram(metricNames.tokenUsage, 'Tokens of a request to a model.', '{token}', tokenBounds)
  const durations = createHistogram(metricNames.operationDuration, 'Time of a request to a model.', 's', secondBounds)
  const used = createNumber(metricNames.providerTokens, 'Tokens that providers have billed, by direction.', '{token}', 'counter')
  const cost = createNumber(metricNames.providerCost, 'Cost of requests to models, from the prices of the catalog.', 'USD', 'counter')
  const context = createNumber(
    metricNames.contextUtilization,
    'Part of the context window that the newest request of a model filled.',
    '1',
    'gauge',
  )
  /** Models by the calls that run: outcomes do not name them. */
  const asked = new Map<string, string>()

  const ended = (record: RecordView, body: JsonObject, contextTokens: (model: string) => number | undefined): void => {
    const name = textIn(body, 'model') || (asked.get(record.call) ?? '')
    asked.delete(record.call)
    const model = modelIn({ model: name }, body)
    const operation = record.name === embeddingCall ? operations.embeddings : operations.chat
    const labels = { [genAi.operation]: operation, [genAi.provider]: model.provider, [genAi.requestModel]: model.name }
    const error = errorIn(body)
    durations.add({ ...labels, ...(error !== null && { [general.errorType]: error.code }) }, (numberIn(body, 'ms') ?? 0) / 1_000)
    const by = { provider: model.provider, model: model.name }
    const microDollars = numberIn(objectIn(body, 'spent'), 'microDollars') ?? 0
    if (microDollars > 0) cost.add(by, microDollars / 1e6)
    const usage = objectIn(body, 'usage')
    const counts = { input: numberIn(usage, 'inputTokens'), output: numberIn(usage, 'outputTokens') }
    for (const [type, count] of Object.entries(counts)) {
      if (count === undefined) continue
      tokens.add({ ...labels, [genAi.tokenType]: type }, count)
      used.add({ ...by, type }, count)
    }
    const window = contextTokens(name) ?? 0
    if (window > 0 && counts.input !== undefined && record.name === generationCall) context.set(by, counts.input / window)
  }
  return {
    take(record: RecordView, body: JsonObject, contextTokens: (model: string) => number | undefined): void {
      if (record.phase === 'intent' && asked.size < maxAsked) asked.set(record.call, textIn(objectIn(body, 'input'), 'model'))
      if (record.phase === 'outcome' || record.phase === 'refused' || record.phase === 'reconciled') ended(record, body, contextTokens)
    },
    read: (): readonly Metric[] => [tokens, durations, used, cost, context].map((meter) => meter.read()),
  }
}

/** Requests that run at the same time. */
const maxAsked = 10_000

const isModelCall = (name: string): boolean => name === generationCall || name === completionCall || name === embeddingCall

/** Series of one metric, by their labels. */
function createSeries<Value>(make: () => Value): {
  of(labels: Labels): Value
  all(): readonly { readonly labels: Labels; readonly value: Value }[]
} {
  const held = new Map<string, { readonly labels: Labels; readonly value: Value }>()
  const get = (labels: Labels): Value => {
    const key = JSON.stringify(labels)
    const found = held.get(key)
    if (found !== undefined) return found.value
    if (held.size >= maxSeries && labels !== overflow) return get(overflow)
    const value = make()
    held.set(key, { labels, value })
    return value
  }
  return { of: get, all: () => [...held.values()] }
}

type About = Omit<Metric, 'series' | 'kind'>

function createNumber(name: string, what: string, unit: string, kind: 'counter' | 'gauge') {
  const series = createSeries(() => ({ now: 0 }))
  const about: About = { name, what, unit }
  return {
    add: (labels: Labels, count: number): void => void (series.of(labels).now += count),
    set: (labels: Labels, value: number): void => void (series.of(labels).now = value),
    read: (): Metric => ({ ...about, kind, series: series.all().map(({ labels, value }) => ({ labels, value: value.now })) }),
  }
}

function createHistogram(name: string, what: string, unit: string, bounds: readonly number[]) {
  const series = createSeries(() => ({ counts: bounds.map(() => 0).concat(0), sum: 0, count: 0 }))
  const about: About = { name, what, unit }
  return {
    add(labels: Labels, value: number): void {
      const held = series.of(labels)
      const at = bounds.findIndex((bound) => value <= bound)
      held.counts[at === -1 ? bounds.length : at]! += 1
      held.sum += value
      held.count += 1
    },
    read: (): Metric => ({
      ...about,
      kind: 'histogram',
      series: series.all().map(({ labels, value }) => ({ labels, value: { bounds, ...value, counts: [...value.counts] } })),
    }),
  }
}

/** The text format of Prometheus 0.0.4, with names as OpenTelemetry translates them: units at the end, `_total` for counters. */
export function prometheusText(metrics: readonly Metric[]): string {
  return metrics
    .flatMap((metric) => [...prometheusLines(metric)])
    .map((line) => `${line}\n`)
    .join('')
}

const unitSuffixes: Readonly<Record<string, string>> = { s: '_seconds', '1': '_ratio', USD: '_usd' }

function* prometheusLines({ name, what, unit, kind, series }: Metric): Generator<string> {
  if (series.length === 0) return
  const suffix = Object.hasOwn(unitSuffixes, unit) ? unitSuffixes[unit]! : ''
  const full = `${name.replaceAll('.', '_')}${suffix}${kind === 'counter' ? '_total' : ''}`
  yield `# HELP ${full} ${what}`
  yield `# TYPE ${full} ${kind}`
  for (const { labels, value } of series) {
    if (typeof value === 'number') yield `${full}${labelText(labels)} ${value}`
    else {
      let below = 0
      for (const [at, bound] of value.bounds.entries()) {
        below += value.counts[at]!
        yield `${full}_bucket${labelText({ ...labels, le: String(bound) })} ${below}`
      }
      yield `${full}_bucket${labelText({ ...labels, le: '+Inf' })} ${value.count}`
      yield `${full}_sum${labelText(labels)} ${value.sum}`
      yield `${full}_count${labelText(labels)} ${value.count}`
    }
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name.replaceAll('.', '_')}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
