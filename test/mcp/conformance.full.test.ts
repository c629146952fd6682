/**
 * The client scenarios of the conformance suite of MCP that need no capability that Oxbow does not have. The others are about elicitation and
 * about signing in by OAuth.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const suite = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url))
const client = fileURLToPath(new URL('./conformance-client.ts', import.meta.url))

describe('the conformance suite of MCP', () => {
  for (const scenario of ['initialize', 'tools_call', 'sse-retry'])
    it(`passes the client scenario ${scenario}`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'oxbow-conformance-'))
      const args = ['client', '--command', `${process.execPath} ${client}`, '--scenario', scenario, '--output-dir', folder]
      try {
        const { stdout, stderr } = await promisify(execFile)(process.execPath, [suite, ...args], { cwd: folder })
        const report = `${stdout}${stderr}`
        assert.match(report, /OVERALL: PASSED/, report)
      } finally {
        await rm(folder, { recursive: true })
      }
    })
})
