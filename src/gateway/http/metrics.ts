/** `/metrics` in the text format of Prometheus 0.0.4: requests of this API, and what `resources.show` and `budget.show` know of the guest. */
import type { Kernel } from '../../kernel/index.ts'
import { isObject, type JsonObject, ownValue } from '../../base/index.ts'
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
      const [resources, budget, now] = await Promise.all([
        outputOf(kernel, 'resources.show', {}),
        outputOf(kernel, 'budget.show', {}),
        outputOf(kernel, 'system.now', {}),
      ])
      const guest = kernel.status()
      return [
        ...family(
          'oxbow_http_requests_total',
          'counter',
          'Requests by status.',
          [...byStatus].map(([status, count]) => [`{status="${status}"}`, count]),
        ),
        ...family('oxbow_http_request_seconds', 'histogram', 'Time of requests.', []),
        ...bounds.map((bound, at) => `oxbow_http_request_seconds_bucket{le="${bound}"} ${buckets[at]}`),
        `oxbow_http_request_seconds_bucket{le="+Inf"} ${requests}`,
        `oxbow_http_request_seconds_sum ${seconds}`,
        `oxbow_http_request_seconds_count ${requests}`,
        ...family('oxbow_connections', 'gauge', 'Open WebSocket connections.', [['', connections]]),
        ...family('oxbow_info', 'gauge', 'The guest.', [[`{version="${label(guest.version)}",model="${label(guest.model)}"}`, 1]]),
        ...family('oxbow_ready', 'gauge', '1 if the guest can write.', [['', guest.read_only === null ? 1 : 0]]),
        ...family(
          'oxbow_recalls_total',
          'counter',
          'Turns that memory was recalled for, by whether the first request to the model had it.',
          [
            ['{result="in_time"}', guest.recalls?.in_time ?? 0],
            ['{result="late"}', guest.recalls?.late ?? 0],
          ],
        ),
        ...family('oxbow_turns_running', 'gauge', 'Turns that run.', [['', listOf(now['turns']).length]]),
        ...family('oxbow_messages_waiting', 'gauge', 'Messages that wait behind a turn.', [['', waitingIn(now['turns'])]]),
        ...family('oxbow_calls_running', 'gauge', 'Calls that run, by name.', callsIn(now['calls'])),
        ...family('oxbow_approvals_waiting', 'gauge', 'Calls that wait for a person.', [['', numberOf(now['approvals'])]]),
        ...numbers('oxbow_agents', now['admission']),
        ...numbers('oxbow_resources', resources['now']),
        ...family('oxbow_overloads', 'gauge', 'Thresholds that are passed.', [
          ['', Array.isArray(resources['overloads']) ? resources['overloads'].length : 0],
        ]),
        ...numbers('oxbow_user_spent', inside(budget, 'user', 'spent')),
        ...numbers('oxbow_user_reserved', inside(budget, 'user', 'reserved')),
        '',
      ].join('\n')
    },
  }
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

/** Each number of an object as a gauge of its own. */
function numbers(prefix: string, value: unknown): readonly string[] {
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([field, each]) => {
    const name = `${prefix}_${field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
    return typeof each === 'number' ? family(name, 'gauge', `${field}, as the call shows it.`, [['', each]]) : []
  })
}
