/**
 * Sessions, jobs and commands that may reach the web. Each has its own pass at the egress proxy for as long as it lives; the ids of
 * sessions begin with `net-`. What is typed into one may leave the machine, so opening and writing are sinks and need the right that
 * `shell.online` needs; reading, signalling and closing use the calls for all sessions.
 */
import { z } from 'zod'
import { type JsonObject, plural } from '../../base/index.ts'
import type { EgressPass, EgressProxy, Visit, Visits } from '../../sandbox/index.ts'
import { type Call, type CallContext, defineCall, type HandsOps, type SessionEntry } from '../../protocol/index.ts'
import { commandGraceMs, maxCommandSeconds, maxHostEntries, maxShownHosts, maxWaitSeconds, sessionGraceMs } from '../limits.ts'
import { toWorkspacePath } from '../workspace-arguments.ts'
import { execArguments, execFields, inShell, runCommand } from './exec-call.ts'
import { backgroundArguments, backgroundOutput, beginningOf, openArguments, openedText, openOutput, type OpenOutput } from './open-calls.ts'
import { askOnline, closedLater, isOnline, onlinePrefix, outputShape, ownerOf } from './session-arguments.ts'
import { typeInto, writeArguments } from './talk-calls.ts'

const hostsArgument: z.ZodDefault<z.ZodArray<z.ZodString>> = z
  .array(z.string().min(1).max(260))
  .max(maxHostEntries)
  .default([])
  .describe('Only these hosts, e.g. "registry.npmjs.org" or "*.example.com:443".')

const hostRow = z.strictObject({
  host: z.string(),
  port: z.int(),
  decision: z.enum(['reached', 'refused', 'failed']),
  reason: z.string(),
  connections: z.int(),
  bytes_out: z.int(),
  bytes_in: z.int(),
})

const networkFields = {
  hosts: z.array(hostRow).describe('Hosts that it reached or was refused.'),
  more_connections: z.int().describe('Connections not listed in `hosts`.'),
}
const networkObject = z.strictObject(networkFields)
type NetworkFacts = z.infer<typeof networkObject>

export interface OnlineSessions {
  /** Opens a session, starts a job, and writes to a session. */
  readonly calls: readonly Call[]
  /** The sessions of the caller's conversation; without any, sends no request. */
  list(context: CallContext): Promise<readonly SessionEntry[]>
  /** Records the hosts that a session has reached, if it has network, and ends its pass. */
  closed(id: string, context: CallContext): Promise<void>
}

type OpenRequest = Omit<HandsOps['sessionOpen']['input'], 'owner' | 'pass'>

export function onlineSessions(proxy: Pick<EgressProxy, 'issue'>): OnlineSessions {
  /** By id. A session that ended by itself keeps its pass, which nothing can use any more, until it is closed or no longer listed. */
  const passes = new Map<string, EgressPass>()
  const begin = async (request: OpenRequest, hosts: readonly string[], context: CallContext): Promise<OpenOutput> => {
    await prune(context)
    const pass = await proxy.issue('online', hosts)
    try {
      const input = { ...request, owner: ownerOf(context), pass: pass.token }
      const opened = await askOnline(context, 'sessionOpen', input, commandGraceMs + sessionGraceMs)
      const id = onlinePrefix + opened.id
      passes.set(id, pass)
      return { ...opened, id }
    } catch (error) {
      await pass.end()
      throw error
    }
  }
  const entries = async (context: CallContext, owner: string): Promise<readonly SessionEntry[]> => {
    if (passes.size === 0) return []
    const { sessions } = await askOnline(context, 'sessionList', { owner }, sessionGraceMs)
    return sessions.map((entry) => ({ ...entry, id: onlinePrefix + entry.id }))
  }
  /** Hands drop sessions that ended long ago, and all of them when they restart. */
  const prune = async (context: CallContext): Promise<void> => {
    // Copied first: a session opened during the request is not in the answer.
    const before = [...passes]
    const listed = new Set((await entries(context, '')).map(({ id }) => id))
    for (const [id, pass] of before) if (!listed.has(id) && passes.delete(id)) await pass.end()
  }
  const visitsOf = async (id: string) => (await passes.get(id)?.soFar()) ?? { rows: [], more: 0 }
  return {
    calls: [openCall(begin), backgroundCall(begin, visitsOf), writeCall(visitsOf)],
    list: (context) => entries(context, ownerOf(context)),
    async closed(id, context) {
      const pass = passes.get(id)
      if (!isOnline(id) || pass === undefined) return
      passes.delete(id)
      const visits = await pass.end()
      if (visits.rows.length > 0) context.record(networkRecord(networkFacts(visits)))
    },
  }
}

type Begin = (request: OpenRequest, hosts: readonly string[], context: CallContext) => Promise<OpenOutput>
type VisitsOf = (id: string) => ReturnType<EgressPass['soFar']>

const withNetwork: Pick<Call, 'tier' | 'right' | 'files' | 'effect' | 'audience' | 'labels'> = {
  tier: 'privileged',
  right: 'shell.network',
  files: 'workspace',
  effect: 'once',
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: true },
}

function openCall(begin: Begin): Call {
  return defineCall({
    ...withNetwork,
    name: 'shell.online_session',
    rare: true,
    summary: 'Opens a shell with network, like shell_online; shell_online_write types into it.',
    input: z.strictObject({ ...openArguments, hosts: hostsArgument }),
    goesTo: { hosts: 'hosts' },
    output: openOutput,
    example: { cwd: '/shared', terminal: false, columns: 120, rows: 30, hosts: ['github.com', '*.githubusercontent.com'] },
    ...closedLater,
    timeoutMs: commandGraceMs + 2 * sessionGraceMs,
    starts: ({ cwd }) => inShell({ command: '', cwd }),
    async run({ cwd, terminal, columns, rows, hosts }, context) {
      const size = terminal ? { columns, rows } : null
      const output = await begin({ kind: 'shell', command: '', cwd: toWorkspacePath(cwd), terminal: size }, hosts, context)
      return { output, text: openedText(output, { terminal, columns, rows }, 'shell.online_write') }
    },
  })
}

function backgroundCall(begin: Begin, visitsOf: VisitsOf): Call {
  return defineCall({
    ...withNetwork,
    name: 'shell.online_background',
    summary: 'Starts a background command with network; shell_session_read reads its output.',
    input: z.strictObject({ ...backgroundArguments, hosts: hostsArgument }),
    goesTo: { hosts: 'hosts' },
    output: backgroundOutput,
    example: { command: 'npm ci', cwd: '/shared', wait_s: 1, hosts: ['registry.npmjs.org'] },
    ...closedLater,
    timeoutMs: maxWaitSeconds * 1000 + commandGraceMs + 2 * sessionGraceMs,
    starts: inShell,
    async run({ command, cwd, wait_s, hosts }, context) {
      const { id } = await begin({ kind: 'job', command, cwd: toWorkspacePath(cwd), terminal: null }, hosts, context)
      const { output, text, ok } = await beginningOf(id, wait_s, context)
      return { output, text: withHosts(text, await visitsOf(id)), ok }
    },
  })
}

function writeCall(visitsOf: VisitsOf): Call {
  return defineCall({
    ...withNetwork,
    name: 'shell.online_write',
    rare: true,
    summary: 'Like shell_session_write, for a session with network; also returns the hosts that it reached.',
    input: z.strictObject({
      ...writeArguments,
      id: writeArguments.id.refine(isOnline, 'must begin with net-; for other sessions use shell_session_write'),
    }),
    output: z.strictObject({ ...outputShape, ...networkFields }),
    example: { id: 'net-shell-1-k3f9x2', text: 'git fetch', enter: true, keys: [], wait_s: 60, quiet_ms: 10_000 },
    timeoutMs: maxWaitSeconds * 1000 + 2 * sessionGraceMs,
    starts: ({ text }) => inShell({ command: text, cwd: '' }),
    recordOutput: networkRecord,
    async run(input, context) {
      const { output, text, ok } = await typeInto(input, context)
      const visits = await visitsOf(input.id)
      return { output: { ...output, ...networkFacts(visits) }, text: withHosts(text, visits), ok }
    },
  })
}

// `shell.online` runs one command that may reach the web, only through the egress proxy. What it sends cannot be undone, so the
// call is a sink with its own right; the record lists the hosts that it reached and those it was refused.

/** @param proxy serves the commands of the profile `online` */
export function shellOnline(proxy: Pick<EgressProxy, 'issue'>): Call {
  return defineCall({
    name: 'shell.online',
    summary: 'Runs a bash command with network: http and https through a proxy that refuses private addresses.',
    input: z.strictObject({ ...execArguments, hosts: hostsArgument }),
    goesTo: { hosts: 'hosts' },
    output: z.strictObject({ ...execFields, ...networkFields }),
    example: { command: 'npm view left-pad version', cwd: '/shared', stdin: '', timeout_s: 60, hosts: ['registry.npmjs.org'] },
    tier: 'privileged',
    right: 'shell.network',
    files: 'workspace',
    effect: 'once',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: true },
    timeoutMs: maxCommandSeconds * 1000 + commandGraceMs,
    starts: inShell,
    recordOutput: networkRecord,
    async run(input, context) {
      // Its own pass: commands that run at the same time reach other hosts and are counted separately.
      const pass = await proxy.issue('online', input.hosts)
      try {
        const { output, text, ok } = await runCommand(input, context, 'online', pass.token)
        const visits = await pass.soFar()
        return { output: { ...output, ...networkFacts(visits) }, text: withHosts(text, visits), ok }
      } catch (error) {
        // A cancelled command may already have sent something: record it.
        const visits = await pass.soFar()
        if (visits.rows.length > 0) context.record(networkRecord(networkFacts(visits)))
        throw error
      } finally {
        await pass.end()
      }
    },
  })
}

// The hosts that a command with network has reached.

function networkFacts({ rows, more }: Visits): NetworkFacts {
  return { hosts: rows.map(toRow), more_connections: more }
}

/** The same in the form of the record. */
function networkRecord({ hosts, more_connections }: NetworkFacts): JsonObject {
  return { hosts: hosts.map((row) => ({ ...row })), more_connections }
}

function toRow({ host, port, decision, reason, connections, bytesOut, bytesIn }: Visit): z.infer<typeof hostRow> {
  return { host, port, decision, reason, connections, bytes_out: bytesOut, bytes_in: bytesIn }
}

/** Goes between the first line (how the command ended) and the output, which may be long: it often explains the failure. */
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
