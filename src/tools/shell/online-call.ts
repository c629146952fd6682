/**
 * `shell.online`: a command that may reach the web, through the egress proxy and nothing else. What it does there is beyond
 * recall, so the call is a sink, with a right of its own; which hosts it reached, and which it was refused, is on record.
 */
import { z } from 'zod'
import type { EgressProxy, Visit, Visits } from '../../sandbox/index.ts'
import type { Call } from '../../types/index.ts'
import { commandGraceMs, maxCommandSeconds, maxShownHosts } from '../limits.ts'
import { plural } from '../workspace-arguments.ts'
import { execFields, execInput, runCommand } from './exec-call.ts'
import type { ExecInput, ExecOutput } from './exec-call.ts'

interface HostRow {
  host: string
  port: number
  decision: 'reached' | 'refused' | 'failed'
  reason: string
  connections: number
  bytes_out: number
  bytes_in: number
}
interface OnlineOutput extends ExecOutput {
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

/** @param proxy through which commands of the profile `online` go */
export function shellOnline(proxy: Pick<EgressProxy, 'watch'>): Call<ExecInput, OnlineOutput> {
  return {
    name: 'shell.online',
    summary: 'Runs a shell command that may reach the web over http and https, through a proxy that refuses private addresses.',
    input: execInput,
    output: z.strictObject({
      ...execFields,
      hosts: z.array(hostRow).describe('What was reached, or refused, while it ran.'),
      more_connections: z.int().describe('Connections that are not among `hosts`.'),
    }),
    example: { command: 'npm view left-pad version', cwd: '/shared', stdin: '', timeout_s: 60 },
    tier: 'privileged',
    right: 'shell.network',
    effect: 'once',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: true },
    timeoutMs: maxCommandSeconds * 1000 + commandGraceMs,
    recordOutput: ({ hosts, more_connections }) => ({ hosts: hosts.map((row) => ({ ...row })), more_connections }),
    async run(input, context) {
      const watch = await proxy.watch('online')
      try {
        const { output, text, ok } = await runCommand(input, context, 'online')
        const visits = watch.soFar()
        return {
          output: { ...output, hosts: visits.rows.map(toRow), more_connections: visits.more },
          text: withHosts(text, visits),
          ok,
        }
      } catch (error) {
        // A command that was stopped has sent what it has sent.
        const { rows, more } = watch.soFar()
        if (rows.length > 0) context.record({ hosts: rows.map(toRow).map((row) => ({ ...row })), more_connections: more })
        throw error
      } finally {
        watch.end()
      }
    },
  }
}

function toRow({ host, port, decision, reason, connections, bytesOut, bytesIn }: Visit): HostRow {
  return { host, port, decision, reason, connections, bytes_out: bytesOut, bytes_in: bytesIn }
}

/** Behind how it ended and before its output, which may be long: why a program could not reach something stands here best. */
function withHosts(text: string, { rows, more }: Visits): string {
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
