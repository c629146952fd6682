/** Tools of MCP servers: what a call through the gate costs in addition to the server itself, and a search among five hundred tools. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { encode } from 'gpt-tokenizer'
import { createServers } from '../../src/connect/index.ts'
import { toTools } from '../../src/kernel/calls/call-reference.ts'
import { rankTools } from '../../src/services/system/tool-search-call.ts'
import { manyTools, questions, searchCall } from '../../src/services/sources/server-tools-fixture.ts'
import type { Kernel } from '../../src/kernel/index.ts'
import { createSandbox } from '../../src/sandbox/index.ts'
import { createHasher } from '../../src/store/index.ts'
import { once } from '../../src/base/index.ts'
import { mcpServer } from '../../src/config/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, type Row, shown } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { makeWorkspace } from '../subjects/guest.ts'
import { ask, openKernel } from './calls.ts'

const rounds = 1_000

export const mcp: Measure = {
  name: 'mcp',
  title: 'Tools of MCP servers',
  how: 'A server in its sandbox that answers at once, called through the whole gate over SQLite on disk; compared with the same program without a sandbox, asked over its pipes. Calls alternate. Then a search among 500 tools of 25 servers by 200 questions.',
  async run() {
    return [...(await measureCalls()), ...measureSearch()]
  },
}

async function measureCalls(): Promise<readonly Row[]> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-bench-mcp-'))
  using workspace = makeWorkspace()
  mkdirSync(join(root, 'program'))
  const file = join(root, 'program', 'server.js')
  writeFileSync(file, server)
  const config = parseConfig({}, 'the bench')
  const sandbox = await createSandbox({ workspaceRoot: root, limits: config.sandbox, browser: config.browser, insecure: false })
  const kernel = await openKernel(workspace.database, 'normal', {}, (host) =>
    createServers({
      ...host,
      config: config.mcp,
      sandbox,
      hash: once(createHasher),
      openFetch: () => Promise.reject(new Error('no network')),
      version: 'bench',
      nowMs: () => performance.now(),
    }),
  )
  const bare = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    await approve(kernel, join(root, 'program'))
    const own = bareCaller(bare)
    const took: Record<'bare' | 'once' | 'none', number[]> = { bare: [], once: [], none: [] }
    for (let round = -100; round < rounds; round += 1) {
      for (const [kind, call] of [
        ['bare', own],
        ['once', () => ask(kernel, 'mcp.bench.act', { text: 'x' })],
        ['none', () => ask(kernel, 'mcp.bench.read', { text: 'x' })],
      ] as const) {
        const began = performance.now()
        await call()
        if (round >= 0) took[kind].push(performance.now() - began)
      }
    }
    const base = median(took.bare)
    const row = (what: string, of: readonly number[]): Row =>
      bounded(
        `${what}, p50 on top of the server`,
        ms(median(of) - base),
        `p50 ${ms(median(of))}, p99 ${ms(quantile(of, 0.99))}; the server alone ${ms(base)}`,
        '≤ 1 ms',
        median(of) - base <= 1,
      )
    return [row('a tool that may change something (once)', took.once), row('a tool that a person calls read-only', took.none)]
  } finally {
    bare.kill()
    await kernel.close()
    await sandbox.close()
    rmSync(root, { recursive: true, force: true })
  }
}

async function approve(kernel: Kernel, folder: string): Promise<void> {
  const settings = mcpServer.parse({ command: 'node', args: ['/opt/server/server.js'], program_folder: folder })
  await ask(kernel, 'server.add', { server: 'bench', settings })
  const { digest } = await ask<{ digest: string }>(kernel, 'server.diff', { server: 'bench' })
  await ask(kernel, 'server.approve', { server: 'bench', digest, read_only: ['read'] })
}

function bareCaller({ stdin, stdout }: ChildProcess): () => Promise<void> {
  let answered: () => void = () => {}
  createInterface({ input: stdout! }).on('line', () => answered())
  const request = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'act', arguments: { text: 'x' } } })
  return () =>
    new Promise((resolve) => {
      answered = resolve
      stdin!.write(`${request}\n`)
    })
}

function measureSearch(): readonly Row[] {
  const { offered, later } = toTools([...manyTools, searchCall])
  const tokens = encode(JSON.stringify(offered)).length
  const took: number[] = []
  const found = questions.filter(({ question, wanted }) => {
    const began = performance.now()
    const ranked = rankTools(question, later)
    took.push(performance.now() - began)
    return ranked.slice(0, 5).some(({ name }) => name === wanted)
  })
  const share = (found.length / questions.length) * 100
  return [
    bounded(`${later.length} tools in a request`, `${tokens} tokens`, 'their names by server', '≤ 3 000', tokens <= 3_000),
    bounded(`right tool in the first five, of ${questions.length} questions`, `${share.toFixed(1)} %`, '', '≥ 95 %', share >= 95),
    bounded('a search, p50', ms(median(took)), `p99 ${ms(quantile(took, 0.99))}`, '< 5 ms', median(took) < 5),
    shown(
      'right tool first',
      `${((questions.filter(({ question, wanted }) => rankTools(question, later)[0]?.name === wanted).length / questions.length) * 100).toFixed(1)} %`,
    ),
  ]
}

/** Answers every call at once. */
const server = `
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
const schema = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] }
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (method === 'initialize') {
    const serverInfo = { name: 'bench', version: '1' }
    return send({ id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo } })
  }
  if (method === 'tools/list') return send({ id, result: { tools: ['act', 'read'].map((name) => ({ name, inputSchema: schema })) } })
  if (method === 'tools/call') return send({ id, result: { content: [{ type: 'text', text: params.arguments.text }] } })
  if (id !== undefined) send({ id, error: { code: -32601, message: 'no such method' } })
})
`
