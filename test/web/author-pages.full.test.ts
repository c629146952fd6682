/** What pages add from elsewhere: servers of npm and of other programs, a server behind OAuth, plugins without a manifest, new and signed ones. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { clearPlugin, installServer, removeServer } from '../../src/terminal/index.ts'
import { openGuardedServer } from '../mcp/oauth-fixture.ts'
import { type NpmRegistry, openRegistry } from '../support/npm-registry.ts'
import { openOwnerRig, type OwnerRig } from './owner-rig.ts'
import { checkAccessible, checkLook, noChromium, openPage, personAt, screenshot } from './web-fixture.ts'

describe('pages that add what comes from elsewhere', { skip: noChromium }, () => {
  let rig: OwnerRig
  let page: Page
  let folder: string
  let registry: NpmRegistry
  const { dialog, press, agree } = personAt(() => page)
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'oxbow-authors-'))
    registry = await openRegistry()
    rig = await openOwnerRig(registry.env(folder))
    page = rig.page
  })
  after(async () => {
    await rig[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })
  const home = (...path: readonly string[]): string => join(rig.workspace.root, '../..', ...path)

  it('installs a server from npm after showing all its packages, and removes what it has installed', async () => {
    const mark = join(folder, 'ran')
    await registry.put('files-server', {
      about: { type: 'module', bin: { 'files-server': 'run.js' }, dependencies: { 'files-part': '1.0.0' } },
      files: { 'run.js': serverText },
    })
    const scripts = { about: { scripts: { install: `touch ${mark}` }, hasInstallScript: true }, files: { 'index.js': '' } }
    await registry.put('files-part', scripts)
    await openPage(page, '/servers', 'MCP servers')
    await press('Install from npm')
    await dialog().getByLabel('Name').fill('files')
    await dialog().getByLabel('Package').fill('files-server@latest')
    await dialog().getByText('NAME@VERSION, such as').waitFor()
    await dialog().getByLabel('Package').fill('files-server@1.0.0')
    await dialog().getByLabel('Arguments').fill('/shared "two words"')
    await checkAccessible(page)
    await press('Show its packages')
    await dialog().getByRole('heading', { name: installServer.question }).waitFor()
    await dialog().getByText('its install script is not run').waitFor()
    assert.deepEqual(readdirSync(home('servers')), [], 'nothing is installed yet')
    await checkLook(page, 'packages of a server')
    await screenshot(page, 'server-install')
    await dialog().getByRole('button', { name: 'No' }).click()
    await page.getByText(installServer.declined).waitFor()
    // What changes while a person reads is not what they approve.
    await press('Install from npm')
    await dialog().getByLabel('Name').fill('files')
    await dialog().getByLabel('Package').fill('files-server@1.0.0')
    await dialog().getByLabel('Arguments').fill('/shared "two words"')
    await press('Show its packages')
    await dialog().getByText('files-part@1.0.0').waitFor()
    rmSync(join(folder, 'cache'), { recursive: true, force: true })
    await registry.put('files-part', { ...scripts, files: { 'index.js': 'changed' } })
    await dialog().getByRole('button', { name: 'Install', exact: true }).click()
    await dialog().getByText('These are not the packages that were shown with that digest.').waitFor()
    await registry.put('files-part', scripts)
    rmSync(join(folder, 'cache'), { recursive: true, force: true })
    await agree('Install')
    await page.getByText('Nothing of it is approved yet').waitFor()
    assert.equal(existsSync(mark), false)
    const { servers } = await rig.call<{ servers: { settings: { args: string[]; lock: string } }[] }>('server.list', {})
    assert.deepEqual(servers[0]!.settings.args, ['/opt/server/node_modules/files-server/run.js', '/shared', 'two words'])
    assert.match(servers[0]!.settings.lock, /^[0-9a-f]{64}$/)
    await press('Review and approve')
    await dialog().getByRole('checkbox', { name: 'greet', exact: true }).waitFor({ timeout: 60_000 })
    await agree('Approve')
    await press('Remove')
    await dialog().getByText(removeServer('files', false).means).waitFor()
    await agree('Remove')
    await page.getByText('There is no server of tools.').waitFor()
    assert.deepEqual(readdirSync(home('servers')), [])
  })

  it('takes a server over from another program, without values that may be secret', async () => {
    const settings = {
      notes: { command: 'node', args: ['/opt/server/a b.js'], env: { TOKEN: 'very-secret', KEY: '${NOTES_KEY}' } },
      fetched: { command: 'npx', args: ['-y', 'files-server@1.0.0', '/shared'] },
    }
    writeFileSync(join(folder, '.claude.json'), JSON.stringify({ mcpServers: settings }))
    await press('Of other programs')
    await dialog().getByText('notes', { exact: true }).waitFor()
    await checkLook(page, 'servers of other programs')
    assert.doesNotMatch(await page.content(), /very-secret/)
    await dialog().getByRole('button', { name: 'Install…' }).click()
    await dialog().getByLabel('Package').waitFor()
    assert.equal(await dialog().getByLabel('Package').inputValue(), 'files-server@1.0.0')
    assert.equal(await dialog().getByLabel('Arguments').inputValue(), '/shared')
    await dialog().getByRole('button', { name: 'Cancel' }).click()
    await press('Of other programs')
    await dialog().getByRole('button', { name: 'Add…' }).click()
    await dialog().getByLabel('Command').waitFor()
    assert.equal(await dialog().getByLabel('Command').inputValue(), 'node "/opt/server/a b.js"')
    assert.equal(await dialog().getByLabel('Variables').inputValue(), 'TOKEN=\nKEY=$NOTES_KEY')
    await dialog().getByLabel('Folder of the program').fill(folder)
    await agree('Add')
    await page.getByText('Nothing of it is approved yet').waitFor()
    await rig.call('server.remove', { server: 'notes' })
  })

  it('signs in to a server by OAuth, and approves what it offers to those who have', async () => {
    await using guarded = await openGuardedServer()
    await openPage(page, '/servers', 'MCP servers')
    await press('Add a server')
    await dialog().getByLabel('Name').fill('guarded')
    await dialog().getByLabel('What it is').selectOption('url')
    await dialog().getByLabel('Address').fill(guarded.url)
    await dialog().getByLabel('Hosts that it reaches').fill(guarded.host)
    await agree('Add')
    await press('Review and approve')
    await dialog().getByRole('alert').waitFor()
    await checkAccessible(page)
    await dialog().getByRole('button', { name: 'Close' }).last().click()
    // The browser goes to the page of the server, which sends it back with a code. Its address is the same before.
    const back = page.waitForEvent('framenavigated', (frame) => frame.url().endsWith('/servers?open=guarded'))
    await press('Sign in')
    await back
    assert.doesNotMatch(page.url(), /code=/)
    await press('Review and approve')
    await dialog().getByRole('checkbox', { name: 'secret_list', exact: true }).waitFor()
    await agree('Approve')
    await page.getByText(/^Approved: 1 tools?\./).waitFor()
    await checkLook(page, 'a server that was signed in to')
    await rig.call('server.remove', { server: 'guarded' })
  })

  it('installs a plugin that has no manifest with one that a person has narrowed', async () => {
    const plugin = join(folder, 'bare')
    mkdirSync(plugin)
    writeFileSync(join(plugin, 'package.json'), JSON.stringify({ name: 'bare', version: '2.0.0', type: 'module', main: 'index.js' }))
    const entry = `import { definePlugin } from 'oxbow/plugin'\n// fetch('https://api.bare.dev/v1')\nexport default definePlugin({ name: 'bare', actions: [] })\n`
    writeFileSync(join(plugin, 'index.js'), entry)
    await openPage(page, '/plugins', 'Plugins')
    await press('Install a plugin')
    await dialog().getByLabel('Where it is').fill(plugin)
    await press('Show what it is')
    await dialog().getByText('The package has no manifest.').waitFor()
    await press('Propose a manifest')
    const field = dialog().getByLabel('Manifest')
    await field.waitFor()
    const proposed = JSON.parse(await field.inputValue()) as { rights: { hosts: string[] } }
    assert.deepEqual(proposed.rights.hosts, ['api.bare.dev'])
    await checkAccessible(page)
    await screenshot(page, 'plugin-manifest')
    await field.fill(JSON.stringify({ ...proposed, rights: { ...proposed.rights, hosts: [] } }))
    await press('Show what it is')
    await dialog()
      .getByRole('heading', { name: /^Install it\?/ })
      .waitFor()
    assert.equal(await dialog().getByText('api.bare.dev').count(), 0)
    await agree('Install')
    await page.getByText('Installed bare 2.0.0.').waitFor()
    const { plugins } = await rig.call<{ plugins: { may: string[] }[] }>('plugin.installed', {})
    assert.doesNotMatch(plugins[0]!.may.join(), /api\.bare\.dev/)
  })

  it('makes a plugin, installs it, signs it, and empties what it keeps', async () => {
    const plugin = join(folder, 'fresh')
    await press('New plugin')
    await dialog().getByLabel('Folder').fill('fresh')
    await dialog().getByText('A whole path, which begins with /.').waitFor()
    await dialog().getByLabel('Folder').fill(plugin)
    await checkAccessible(page)
    await dialog().getByRole('button', { name: 'Make it' }).click()
    // What it is is shown next, as for any other.
    await dialog().getByText('It may do nothing but compute.').waitFor()
    await agree('Install')
    await page.getByText('Installed fresh 0.1.0.').waitFor()
    await press('Sign…')
    await dialog().getByLabel('File of your key').fill(join(folder, 'key.pem'))
    await agree('Sign')
    await page.getByText(/^Signed by the key .*Keep it: /).waitFor()
    await press('Update…')
    await dialog()
      .getByText(/^Signed by the key /)
      .waitFor()
    await agree('Install')
    await page.getByText('Installed fresh 0.1.0.').waitFor()
    const kept = join(rig.workspace.root, 'internal/plugins/fresh')
    mkdirSync(kept, { recursive: true })
    writeFileSync(join(kept, 'told.txt'), 'a secret')
    await press('Empty')
    await dialog().getByText(clearPlugin('fresh').means).waitFor()
    await agree('Empty')
    await page.getByText(clearPlugin('fresh').done).waitFor()
    assert.equal(existsSync(join(kept, 'told.txt')), false)
    await checkLook(page, 'a signed plugin')
  })
})

/** A server of one tool over its standard input and output, without packages: it speaks just what a greeting and a list of tools need. */
const serverText = `#!/usr/bin/env node
import { createInterface } from 'node:readline'
const answers = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'files', version: '1' } }),
  'tools/list': () => ({ tools: [{ name: 'greet', description: 'Greets.', inputSchema: { type: 'object' } }] }),
}
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line)
  if (id === undefined) continue
  const answer = answers[method]
  const body = answer ? { result: answer(params ?? {}) } : { error: { code: -32601, message: 'none' } }
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, ...body }) + '\\n')
}
`
