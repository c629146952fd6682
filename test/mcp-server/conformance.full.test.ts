/** The 32 server scenarios of the conformance suite of MCP, and the inspector as people use it, over HTTP and over `oxbow mcp`. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { startConformanceServer } from './conformance-server.ts'
import { openRig } from './mcp-rig.ts'

const run = promisify(execFile)
const packageFile = (path: string): string => fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/${path}`, import.meta.url))

test('passes all server scenarios of the conformance suite', async () => {
  await using server = await startConformanceServer()
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-conformance-'))
  try {
    const suite = packageFile('conformance/dist/index.js')
    const { stdout } = await run(process.execPath, [suite, 'server', '--url', server.url, '--suite', 'all'], { cwd: folder })
    const [, summary = ''] = stdout.split('=== SUMMARY ===')
    const passed = [...summary.matchAll(/^✓ (\S+): \d+ passed, 0 failed$/gm)].map(([, name]) => name)
    assert.equal(passed.length, 32, summary)
    assert.match(summary, /Total: 44 passed, 0 failed/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('the inspector', () => {
  const inspector = packageFile('inspector/clients/launcher/build/index.js')
  const inspect = async (target: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<any> => {
    const { stdout } = await run(process.execPath, [inspector, '--cli', ...target], { env })
    return JSON.parse(stdout)
  }
  const read = ['--method', 'tools/call', '--tool-name', 'file_list', '--tool-arg', 'path=/shared']

  it('lists and calls tools over HTTP', async () => {
    await using rig = await openRig()
    const { key } = await rig.key('file.read')
    const target = [rig.url.href, '--transport', 'http', '--header', `Authorization: Bearer ${key}`]
    const { tools } = await inspect([...target, '--method', 'tools/list'])
    assert.ok(tools.some(({ name }: { name: string }) => name === 'file_list'))
    assert.match(JSON.stringify(await inspect([...target, ...read])), /\/shared is empty/)
  })

  it('lists and calls tools of `oxbow mcp`', async () => {
    const home = mkdtempSync(join(tmpdir(), 'oxbow-inspector-'))
    shareCompileCache(home)
    const env = { ...process.env, HOME: home, OXBOW_HOME: home }
    const target = [process.execPath, program, 'mcp']
    try {
      const { tools } = await inspect([...target, '--method', 'tools/list'], env)
      assert.ok(tools.some(({ name }: { name: string }) => name === 'turn_send'))
      assert.match(JSON.stringify(await inspect([...target, ...read], env)), /\/shared is empty/)
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
})
