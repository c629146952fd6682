import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parseManifest } from './manifest.ts'
import { proposeManifest } from './propose-manifest.ts'

function packageOf(t: TestContext, files: Readonly<Record<string, string | object>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-propose-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

const code = `
import { Service } from '@elizaos/core'
import fs from "node:fs"
const ws = require('ws/lib/stream')
const key = runtime.getSetting("WEATHER_API_KEY"), url = runtime.getSetting('WEATHER_URL') ?? process.env.WEATHER_FALLBACK
const env = process.env['NODE_ENV']
fetch('https://api.weather.test.dev:8443/v1'); fetch(\`wss://feed.weather.dev/\${city}\`); // see https://github.com/acme, https://react.dev/errors, https://docs.acme.dev/x, https://feross.org, http://localhost:80
`

test('a package without a manifest gets one by what its files say: entry, settings, secrets, hosts, and nothing of other builds', async (t) => {
  const folder = packageOf(t, {
    'package.json': {
      name: '@acme/plugin-Weather',
      version: '2.1.0',
      description: 'Weather\nfor agents',
      exports: { '.': { types: './dist/index.d.ts', browser: './dist/browser.js', import: { default: './dist/node/index.js' } } },
      agentConfig: {
        pluginParameters: { WEATHER_UNIT: { type: 'string', description: 'metric or imperial' }, WEATHER_PIN: { sensitive: true } },
      },
    },
    'dist/node/index.js': code,
    'dist/browser.js': `fetch('https://tracker.dev/')`,
    'node_modules/ws/index.js': `fetch('https://inner.dev/')`,
  })
  const { text, findings } = await proposeManifest(folder)
  const { name, version, description, program, entry, configSchema, rights } = parseManifest(text)
  assert.deepEqual(
    [name, version, description, program, entry],
    ['plugin-weather', '2.1.0', 'Weather for agents', 'eliza-host', ['dist/node/index.js']],
  )
  assert.deepEqual(rights.hosts, ['api.weather.test.dev:8443', 'feed.weather.dev'])
  assert.deepEqual(rights.secrets, ['WEATHER_API_KEY', 'WEATHER_PIN'])
  assert.deepEqual(rights.calls, [])
  assert.deepEqual([rights.models, rights.spend_per_day], [['*'], 1], 'a model with a price is refused to who may spend nothing')
  assert.deepEqual(Object.keys(configSchema['properties'] as object), ['WEATHER_FALLBACK', 'WEATHER_UNIT', 'WEATHER_URL'])
  assert.equal(configSchema['additionalProperties'], true, 'settings of the runtime, such as character, can be set')
  assert.deepEqual([findings.builtins, findings.packages, findings.files], [['fs'], ['@elizaos/core', 'ws'], 3])
})

test('more hosts than a person can judge are shown, and none is proposed', async (t) => {
  const hosts = Array.from({ length: 40 }, (_, at) => `'https://rpc${at}.chain.dev/'`)
  const folder = packageOf(t, {
    'package.json': { name: 'chains', version: '1.0.0', main: 'index.js' },
    'index.js': `export default [${hosts.join()}]`,
  })
  const { text, findings } = await proposeManifest(folder)
  assert.equal(findings.hosts.length, 40)
  const { rights, program } = parseManifest(text)
  assert.deepEqual([rights.hosts, program], [[], 'plugin-host'])
})

test('a package without an entry, or with one outside of it, has no proposal', async (t) => {
  await assert.rejects(proposeManifest(packageOf(t, { 'a.js': '' })), /neither oxbow.plugin.json nor package.json/)
  await assert.rejects(proposeManifest(packageOf(t, { 'package.json': { name: 'a' } })), /names no entry/)
  await assert.rejects(proposeManifest(packageOf(t, { 'package.json': { name: 'a', main: '../b.js' } })), /names no entry/)
})
