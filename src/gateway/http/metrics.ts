/** `/metrics` in the text format of Prometheus 0.0.4: requests of this API, and what `resources.show` and `budget.show` know of the guest. */
import type { Kernel } from '../../kernel/index.ts'
import { isObject, type JsonObject, ownValue } from '../../base/index.ts'
import type { AdmissionState, ResourceSample } from '../../protocol/index.ts'
import { outputOf } from './messages.ts'

export interface Metrics {
  count(status: number, ms: number): void
  /** @throws OxbowError `denied` without the right `system.read` */
  text(kernel: Kernel, connections: number): Promise<string>
}

/** Upper bounds in seconds; the last bucket is everything. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

export function createMetrics(): Metrics {
  const byStatus = new Map<number, number>()
  const buckets = bounds.map(() => 0)
  let requests = 0
  let seconds = 0
  return {
    count(status, ms) {
      byStatus.set(status, (byStatus.get(status) ?? 0) + 1)
      requests += 1
      seconds += ms / 1_000
      for (const [at, bound] of bounds.entries()) if (ms / 1_000 <= bound) buckets[at]! += 1
    },
    async text(kernel, connections) {
      const [resources, budget, now, counted] = await Promise.all([
        outputOf(kernel, 'resources.show', {}),
        outputOf(kernel, 'budget.show', {}),
        outputOf(kernel, 'system.now', {}),
        outputOf(kernel, 'telemetry.metrics', {}),
      ])
      const guest = kernel.status()
      return [
        ...ofRequests({ byStatus, buckets, requests, seconds }),
        ...family('oxbow_connections', 'gauge', 'WebSocket connections that are open: terminals and pages.', [['', connections]]),
        ...family('oxbow_info', 'gauge', 'Always 1; the labels name the version of Oxbow and the usual model.', [
          [`{version="${label(guest.version)}",model="${label(guest.model)}"}`, 1],
        ]),
        ...family('oxbow_ready', 'gauge', '1 while the guest records and works; 0 while it is read-only because its store cannot write.', [
          ['', guest.read_only === null ? 1 : 0],
        ]),
        ...family(
          'oxbow_recalls_total',
          'counter',
          'Turns since the guest started for which memory had something to tell: in_time if the first request to the model had it, late if a later one.',
          [
            ['{result="in_time"}', guest.recalls?.in_time ?? 0],
            ['{result="late"}', guest.recalls?.late ?? 0],
          ],
        ),
        ...family('oxbow_turns_running', 'gauge', 'Turns that run now, of people, agents and schedules.', [['', sizeOf(now['turns'])]]),
        ...family('oxbow_messages_waiting', 'gauge', 'Messages that wait for the running turn of their session to end.', [
          ['', waitingIn(now['turns'])],
        ]),
        ...family('oxbow_calls_running', 'gauge', 'System calls that run now, by name.', callsIn(now['calls'])),
        ...family('oxbow_approvals_waiting', 'gauge', 'System calls that wait until a person allows them.', [
          ['', sizeOf(now['approvals'])],
        ]),
        ...numbers('oxbow_agents', now['admission'], ofQueue),
        ...family('oxbow_agents_queued', 'gauge', 'Runs of agents, schedules and tasks that wait for a place.', [
          ['', sizeOf(inside(now, 'admission', 'queued'))],
        ]),
        ...numbers('oxbow_resources', resources['now'], ofMachine),
        ...family('oxbow_overloads', 'gauge', 'Thresholds of [resources] that are passed: while there are any, no queued run starts.', [
          ['', sizeOf(resources['overloads'])],
        ]),
        ...numbers('oxbow_user_spent', inside(budget, 'user', 'spent'), ofSpend('Used by models for this user in all')),
        ...numbers('oxbow_user_reserved', inside(budget, 'user', 'reserved'), ofSpend('Held for requests to models that run')),
        typeof counted['text'] === 'string' ? counted['text'] : '',
      ].join('\n')
    },
  }
}

interface Requests {
  readonly byStatus: ReadonlyMap<number, number>
  /** As many as `bounds`. */
  readonly buckets: readonly number[]
  readonly requests: number
  readonly seconds: number
}

function ofRequests({ byStatus, buckets, requests, seconds }: Requests): readonly string[] {
  return [
    ...family(
      'oxbow_http_requests_total',
      'counter',
      'HTTP requests that were answered since the guest started, by status code.',
      [...byStatus].map(([status, count]) => [`{status="${status}"}`, count]),
    ),
    ...family(
      'oxbow_http_request_seconds',
      'histogram',
      'Seconds from the arrival of an HTTP request to the end of its answer, streams included.',
      [],
    ),
    ...bounds.map((bound, at) => `oxbow_http_request_seconds_bucket{le="${bound}"} ${buckets[at]}`),
    `oxbow_http_request_seconds_bucket{le="+Inf"} ${requests}`,
    `oxbow_http_request_seconds_sum ${seconds}`,
    `oxbow_http_request_seconds_count ${requests}`,
  ]
}

/** Of a value in a sample, by the text format of Prometheus. */
function label(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function listOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

function waitingIn(turns: unknown): number {
  return listOf(turns).reduce((sum, { waiting }) => sum + numberOf(waiting), 0)
}

function callsIn(calls: unknown): readonly Sample[] {
  const byName = new Map<string, number>()
  for (const { name } of listOf(calls)) if (typeof name === 'string') byName.set(name, (byName.get(name) ?? 0) + 1)
  return [...byName].map(([name, count]) => [`{name="${label(name)}"}`, count])
}

function inside(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (isObject(at) ? ownValue(at, name) : undefined), value)
}

type Sample = readonly [labels: string, value: number]

function family(name: string, kind: string, help: string, samples: readonly Sample[]): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...samples.map(([labels, value]) => `${name}${labels} ${value}`)]
}

function sizeOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 0
}

/** Help texts by the field that the call shows. */
type Helps = Readonly<Record<string, string>>

const ofQueue = {
  running: 'Runs of agents, schedules and tasks that have a place now.',
  max_running: 'Most runs of agents, schedules and tasks at once: agents.max_running.',
  starts_left: 'Runs that may still start in the current minute, of agents.max_starts_per_minute.',
} satisfies Partial<Record<keyof AdmissionState, string>>

const ofMachine: Readonly<Record<Exclude<keyof ResourceSample, 'at'>, string>> = {
  cpu_percent: 'Percent of all processors of the machine in use, 0 to 100.',
  memory_used_mb: 'Memory of the machine in use.',
  memory_total_mb: 'Memory of the machine.',
  load_1m: 'Load average of the machine over one minute.',
  disk_used_percent: 'Percent of the file system of the workspace in use; 0 where it cannot be read.',
  disk_free_mb: 'Free space of the file system of the workspace.',
  guest_cpu_percent: 'Percent of one processor that the processes of this guest use, without the sandbox.',
  guest_memory_mb: 'Memory of the processes of this guest, without the sandbox.',
  loop_delay_ms: 'How long the event loop of the guest was late at the newest sample.',
  open_files: 'Files and sockets that the guest has open.',
}

const ofSpend = (what: string): Helps => ({
  tokens: `${what}, in tokens.`,
  microDollars: `${what}, in millionths of a dollar.`,
})

/** Prometheus has base units only: the end of a field, the unit by its name, and how many of those it is. */
const units = [
  ['_mb', '_bytes', 1_048_576],
  ['_ms', '_seconds', 1 / 1_000],
] as const

/** Each number of an object that has a help text, as a gauge of its own. */
function numbers(prefix: string, value: unknown, helps: Helps): readonly string[] {
  if (!isObject(value)) return []
  return Object.entries(helps).flatMap(([field, help]) => {
    const [ending, unit, factor] = units.find(([end]) => field.endsWith(end)) ?? ['', '', 1]
    const base = field.slice(0, field.length - ending.length) + unit
    const name = `${prefix}_${base.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
    const each = ownValue(value, field)
    return typeof each === 'number' ? family(name, 'gauge', help, [['', each * factor]]) : []
  })
}
