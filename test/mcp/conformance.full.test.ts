/**
 * The client scenarios of the conformance suite of MCP that are stable, but for two: `elicitation-sep1034-client-defaults` needs elicitation,
 * which Oxbow does not have, and `auth/2025-03-26-oauth-metadata-backcompat` an issuer that is not the one that was asked, which is refused.
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
  const auth = [
    'metadata-default',
    'metadata-var1',
    'metadata-var2',
    'metadata-var3',
    'basic-cimd',
    'pre-registration',
    'scope-from-www-authenticate',
    'scope-from-scopes-supported',
    'scope-omitted-when-undefined',
    'scope-step-up',
    'scope-retry-limit',
    'token-endpoint-auth-basic',
    'token-endpoint-auth-post',
    'token-endpoint-auth-none',
    '2025-03-26-oauth-endpoint-fallback',
  ]
  for (const scenario of ['initialize', 'tools_call', 'sse-retry', ...auth.map((name) => `auth/${name}`)])
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
