/** The hosts that a command with network may reach, and the report of those it did reach. */
import { z } from 'zod'
import type { Visit, Visits } from '../../sandbox/index.ts'
import type { JsonObject } from '../../base/index.ts'
import { plural } from '../../base/index.ts'
import { maxHostEntries, maxShownHosts } from '../limits.ts'

export const hostsArgument: z.ZodDefault<z.ZodArray<z.ZodString>> = z
  .array(z.string().min(1).max(260))
  .max(maxHostEntries)
  .default([])
  .describe('Only these hosts, e.g. "registry.npmjs.org" or "*.example.com:443".')

interface HostRow {
  host: string
  port: number
  decision: 'reached' | 'refused' | 'failed'
  reason: string
  connections: number
  bytes_out: number
  bytes_in: number
}

export interface NetworkFacts {
  hosts: HostRow[]
  more_connections: number
}

const hostRow = z.strictObject({
  host: z.string(),
  port: z.int(),
  decision: z.enum(['reached', 'refused', 'failed']),
  reason: z.string(),
  connections: z.int(),
  bytes_out: z.int(),
  bytes_in: z.int(),
})

export const networkFields: { readonly [Key in keyof NetworkFacts]: z.ZodType<NetworkFacts[Key]> } = {
  hosts: z.array(hostRow).describe('Hosts that it reached or was refused.'),
  more_connections: z.int().describe('Connections not listed in `hosts`.'),
}

export function networkFacts({ rows, more }: Visits): NetworkFacts {
  return { hosts: rows.map(toRow), more_connections: more }
}

/** The same in the form of the record. */
export function networkRecord({ hosts, more_connections }: NetworkFacts): JsonObject {
  return { hosts: hosts.map((row) => ({ ...row })), more_connections }
}

function toRow({ host, port, decision, reason, connections, bytesOut, bytesIn }: Visit): HostRow {
  return { host, port, decision, reason, connections, bytes_out: bytesOut, bytes_in: bytesIn }
}

/** Goes between the first line (how the command ended) and the output, which may be long: it often explains the failure. */
export function withHosts(text: string, { rows, more }: Visits): string {
  if (rows.length === 0) return text
  const lines = rows.slice(0, maxShownHosts).map(hostLine)
  const left = rows.length - lines.length
  if (left > 0 || more > 0) lines.push(`  and more: ${plural(left, 'host')}, ${plural(more, 'connection')}`)
  const [ended = '', ...rest] = text.split('\n')
  return [ended, 'network:', ...lines, ...rest].join('\n')
}

function hostLine({ host, port, decision, reason, connections, bytesOut, bytesIn }: Visit): string {
  const times = connections === 1 ? '' : ` (${connections} times)`
  const what = decision === 'reached' ? `${bytesOut} bytes out, ${bytesIn} bytes in` : reason
  return `  ${decision} ${host}:${port}${times}: ${what}`
}
