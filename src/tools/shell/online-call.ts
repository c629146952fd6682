/**
 * `shell.online`: a command that may reach the web, through the egress proxy and nothing else. What it does there is beyond
 * recall, so the call is a sink, with a right of its own; which hosts it reached, and which it was refused, is on record.
 */
import { z } from 'zod'
import type { EgressProxy } from '../../sandbox/index.ts'
import type { Call } from '../../types/index.ts'
import { commandGraceMs, maxCommandSeconds } from '../limits.ts'
import { execArguments, execFields, runCommand } from './exec-call.ts'
import type { ExecInput, ExecOutput } from './exec-call.ts'
import { hostsArgument, type NetworkFacts, networkFacts, networkFields, networkRecord, withHosts } from './network-report.ts'

interface OnlineInput extends ExecInput {
  hosts: string[]
}
type OnlineOutput = ExecOutput & NetworkFacts

/** @param proxy through which commands of the profile `online` go */
export function shellOnline(proxy: Pick<EgressProxy, 'issue'>): Call<OnlineInput, OnlineOutput> {
  return {
    name: 'shell.online',
    summary: 'Runs a shell command that may reach the web over http and https, through a proxy that refuses private addresses.',
    input: z.strictObject({ ...execArguments, hosts: hostsArgument }),
    output: z.strictObject({ ...execFields, ...networkFields }),
    example: { command: 'npm view left-pad version', cwd: '/shared', stdin: '', timeout_s: 60, hosts: ['registry.npmjs.org'] },
    tier: 'privileged',
    right: 'shell.network',
    effect: 'once',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: true },
    timeoutMs: maxCommandSeconds * 1000 + commandGraceMs,
    recordOutput: networkRecord,
    async run(input, context) {
      // Its own: what runs beside it reaches other hosts and is counted by itself.
      const pass = await proxy.issue('online', input.hosts)
      try {
        const { output, text, ok } = await runCommand(input, context, 'online', pass.token)
        const visits = await pass.soFar()
        return { output: { ...output, ...networkFacts(visits) }, text: withHosts(text, visits), ok }
      } catch (error) {
        // A command that was stopped has sent what it has sent.
        const visits = await pass.soFar()
        if (visits.rows.length > 0) context.record(networkRecord(networkFacts(visits)))
        throw error
      } finally {
        await pass.end()
      }
    },
  }
}
