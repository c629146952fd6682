import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { describeStale } from './stale-guest.ts'

void test('what came after the guest began is named, and nothing else', (t) => {
  const ipc = mkdtempSync(join(tmpdir(), 'oxbow-stale-'))
  t.after(() => rmSync(ipc, { recursive: true }))
  const [address, config] = [join(ipc, 'gateway.json'), join(ipc, 'config.toml')]
  const files = [config, join(ipc, 'none.toml')]
  const offline = { model: 'offline/offline' }
  for (const path of [address, config]) writeFileSync(path, '')
  const written = (path: string, seconds: number): void => utimesSync(path, seconds, seconds)
  written(address, 1_000)
  written(config, 900)
  assert.equal(describeStale({ choice: {}, ipc, files, status: offline, env: { HOME: '/x', OPENAI_API_KEY: ' ' } }), '')
  assert.equal(describeStale({ choice: {}, ipc, files, status: { model: 'openai/m' }, env: { OPENAI_API_KEY: 'k' } }), '')
  written(config, 1_100)
  const choice = { insecure: true, baseUrl: 'http://x' }
  assert.equal(
    describeStale({ choice, ipc, files, status: offline, env: { ANTHROPIC_API_KEY: 'k' } }),
    `--insecure and --base-url and what was changed in ${config} and ANTHROPIC_API_KEY`,
  )
})
