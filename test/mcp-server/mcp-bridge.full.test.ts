/** `oxbow mcp`, as a program starts it: messages on stdin and stdout, a guest behind it, and another one when that is gone. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { textOf } from './mcp-rig.ts'

const home = mkdtempSync(join(tmpdir(), 'oxbow-mcp-'))
shareCompileCache(home)
after(() => rmSync(home, { recursive: true, force: true }))

test('serves MCP on stdin and stdout, and goes on when its guest is killed', async () => {
  const client = new Client({ name: 'a program', version: '1' }, { versionNegotiation: { mode: 'legacy' } })
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, OXBOW_HOME: home }
  const args = [program, 'mcp', '--right', 'file.read', '--right', 'file.write']
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env, stderr: 'ignore' }))
  const call = (name: string, input: Record<string, unknown>): Promise<unknown> => client.callTool({ name, arguments: input })
  await call('file_write', { path: 'kept.md', text: 'kept\n' })
  const names = (await client.listTools()).tools.map(({ name }) => name)
  assert.ok(names.includes('file_read') && !names.includes('shell_exec') && !names.includes('turn_send'))
  const { pid } = JSON.parse(readFileSync(join(home, 'users/default/ipc/gateway.json'), 'utf8')) as { pid: number }
  process.kill(pid, 'SIGKILL')
  // What was under way fails, and may be repeated.
  const read = (): Promise<unknown> =>
    call('file_read', { path: 'kept.md' }).catch((error: Error) => {
      assert.match(error.message, /Ask again/)
      return read()
    })
  const again = await read()
  assert.match(textOf(again), /kept/)
  await client.close()
  // Its keys are gone: the first with the second, for the guest that could have revoked it was killed.
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'keys', 'list', '--json'], { env })
  assert.doesNotMatch(stdout, /"mcp-/)
})

test('answers what was asked where stdin ends at once', () => {
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, OXBOW_HOME: home }
  const clientInfo = { name: 'a script', version: '1' }
  const lines = [
    { id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo } },
    { method: 'notifications/initialized' },
    { id: 2, method: 'tools/list', params: {} },
  ]
  const input = lines.map((line) => `${JSON.stringify({ jsonrpc: '2.0', ...line })}\n`).join('')
  const { stdout, stderr } = spawnSync(process.execPath, [program, 'mcp'], { env, input, encoding: 'utf8' })
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line || '{}'))
  assert.deepEqual(
    answers.map(({ id, error }) => [id, error]),
    [
      [1, undefined],
      [2, undefined],
    ],
    stderr,
  )
  assert.ok(answers[1].result.tools.length > 0)
})
