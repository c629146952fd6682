/** The pages of programs of others that run or answer elsewhere, and of what they change: MCP servers, remote and coding agents, branches. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { checkout, hostileAgent } from '../../src/connect/acp/coder-fixture.ts'
import { approveOffer, dropBranch, mergeBranch, removeCoder, removeRemote, removeServer } from '../../src/terminal/index.ts'
import { openOwnerRig, type OwnerRig } from './owner-rig.ts'
import { checkAccessible, checkLook, noChromium, openPage, personAt, screenshot } from './web-fixture.ts'

describe('the pages of programs of others', { skip: noChromium }, () => {
  let rig: OwnerRig
  let page: Page
  let folder: string
  const { dialog, press, agree } = personAt(() => page)
  before(async () => {
    rig = await openOwnerRig()
    page = rig.page
    folder = mkdtempSync(join(tmpdir(), 'oxbow-programs-'))
    // The user of a sandbox reads it.
    chmodSync(folder, 0o755)
    mkdirSync(join(rig.workspace.shared, 'site'), { recursive: true })
    writeFileSync(join(rig.workspace.shared, 'notes.txt'), 'one\ntwo\n')
  })
  after(async () => {
    await rig[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  it('adds an MCP server, shows what it offers, approves some of it, and removes it', async () => {
    await openPage(page, '/servers', 'MCP servers')
    await page.getByText('There is no server of tools.').waitFor()
    await checkLook(page, 'no servers')
    await press('Add a server')
    await dialog().getByLabel('Name').fill('Files')
    await dialog().getByText('Up to 24 lower-case letters').waitFor()
    await dialog().getByLabel('Name').fill('files')
    await dialog()
      .getByLabel('Command')
      .fill('node /opt/server/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js "/shared"')
    await dialog().getByLabel('Folder of the program').fill(checkout)
    await dialog().getByLabel('Folders that it sees').fill('/shared')
    await agree('Add')
    await page.getByText('Nothing of it is approved yet').waitFor()
    await press('Review and approve')
    await dialog()
      .getByRole('heading', { name: approveOffer('files').question })
      .waitFor()
    const tool = dialog()
      .getByRole('listitem')
      .filter({ has: page.getByRole('checkbox', { name: 'read_text_file', exact: true }) })
    await tool.waitFor()
    await checkAccessible(page)
    await tool.getByRole('checkbox', { name: 'It changes nothing, and may be repeated' }).check()
    await dialog().getByRole('checkbox', { name: 'write_file', exact: true }).uncheck()
    await agree('Approve')
    await page.getByText(/^Approved: \d+ tools?\. Agents with the right mcp\.files are offered them\.$/).waitFor()
    const { tools } = await rig.call<{ tools: { tool: string; approved: unknown; read_only: boolean }[] }>('server.diff', {
      server: 'files',
    })
    const of = (name: string) => tools.find((each) => each.tool === name)!
    assert.equal(of('read_text_file').read_only, true)
    assert.equal(of('write_file').approved, null)
    await checkLook(page, 'servers')
    await screenshot(page, 'servers')
    await press('Turn off')
    await page.getByText('files is off; its tools are not offered.').waitFor()
    await press('Turn on')
    await page.getByText('files is on.').waitFor()
    await press('Remove')
    await dialog().getByText(removeServer('files', false).means).waitFor()
    await agree('Remove')
    await page.getByText('There is no server of tools.').waitFor()
  })

  it('says why a server does not start', async () => {
    await rig.call('server.add', { server: 'broken', settings: { command: 'node', args: ['/opt/server/none.js'], program_folder: folder } })
    await openPage(page, '/servers?open=broken', 'MCP servers')
    await page.reload()
    await press('Review and approve')
    await dialog().getByRole('alert').waitFor({ timeout: 60_000 })
    await checkAccessible(page)
    await dialog().getByRole('button', { name: 'Close' }).last().click()
  })

  it('adds a coding agent, approves it as it is, and removes it', async () => {
    writeFileSync(join(folder, 'agent.js'), hostileAgent)
    writeFileSync(join(folder, 'version'), '1')
    await openPage(page, '/others/coders', 'Agents of others')
    await page.getByText('No coding agent was added.').waitFor()
    await press('Add a coding agent')
    await dialog().getByLabel('Name').fill('helper')
    await dialog().getByLabel('What it is good at').fill('Small changes')
    await dialog().getByLabel('Command').fill('node /opt/server/agent.js')
    await dialog().getByLabel('Folder of the program').fill(folder)
    await dialog().getByLabel('Variables').fill('LANG=C')
    await agree('Add')
    await press('Review and approve')
    await dialog().getByText('works on a branch of the workspace').waitFor()
    await dialog().getByText('LANG=C').waitFor()
    await agree('Approve')
    await page.getByText('Approved. Agents with the right acp.helper can give it tasks.').waitFor()
    await checkLook(page, 'coders')
    await screenshot(page, 'coders')
    await press('Remove')
    await dialog().getByText(removeCoder('helper', false).means).waitFor()
    await agree('Remove')
    await page.getByText('No coding agent was added.').waitFor()
  })

  describe('remote agents', () => {
    let agent: ChildProcess
    let url: string
    before(async () => {
      const program = fileURLToPath(new URL('../a2a/sample-agent.ts', import.meta.url))
      agent = spawn(process.execPath, [program, '0', '5'], { stdio: ['ignore', 'pipe', 'inherit'] })
      const [line] = (await once(agent.stdout!, 'data')) as [Buffer]
      url = line.toString().trim()
    })
    after(() => agent.kill('SIGKILL'))

    it('adds one, approves its card, and removes it', async () => {
      await openPage(page, '/others/remotes', 'Agents of others')
      await press('Add a remote agent')
      await dialog().getByLabel('Name').fill('sample')
      await dialog().getByLabel('Address').fill(url)
      await dialog().getByLabel('Other hosts').fill(new URL(url).host)
      await agree('Add')
      await page.getByText('Nobody has approved its card').waitFor()
      await press('Review and approve')
      await dialog().getByText('not signed').waitFor()
      await agree('Approve')
      await page.getByText('Approved. Agents with the right a2a.sample can ask it.').waitFor()
      await checkLook(page, 'remotes')
      await screenshot(page, 'remotes')
      await press('Turn off')
      await page.getByText('sample is off; it is not offered.').waitFor()
      await press('Remove')
      await dialog().getByText(removeRemote('sample', false).means).waitFor()
      await agree('Remove')
      await page.getByText('No remote agent was added.').waitFor()
    })
  })

  it('copies the workspace to a branch, shows what has changed there, merges it, and drops another', async () => {
    await openPage(page, '/branches', 'Branches')
    await page.getByText('There are no branches.').waitFor()
    await checkLook(page, 'no branches')
    await press('New branch')
    await dialog().getByLabel('Name').fill('try-1')
    await agree('Copy the workspace')
    await page.getByText('Nothing has changed in it.').waitFor()
    await changeOnBranch(rig, 'try-1')
    await page.reload()
    await page.getByText('+three').or(page.getByText('three')).first().waitFor()
    await checkLook(page, 'branches')
    await screenshot(page, 'branches')
    await press('Merge…')
    await dialog()
      .getByRole('heading', { name: mergeBranch('try-1').question })
      .waitFor()
    await dialog().getByText('/shared/notes.txt').waitFor()
    await agree('Merge')
    await page.getByText(/^Merged 1 file\. To take it back: oxbow restore/).waitFor()
    assert.equal(readFileSync(join(rig.workspace.shared, 'notes.txt'), 'utf8'), 'one\ntwo\nthree\n')
    await press('New branch')
    await dialog().getByLabel('Name').fill('try-2')
    await agree('Copy the workspace')
    await press('Drop')
    await dialog().getByText(dropBranch('try-2').means).waitFor()
    await agree('Drop')
    await page.getByText(dropBranch('try-2').done).waitFor()
    assert.ok(existsSync(join(rig.workspace.shared, 'notes.txt')))
  })
})

/** As an agent that works on it. */
async function changeOnBranch(rig: OwnerRig, branch: string): Promise<void> {
  const { branches } = await rig.call<{ branches: { name: string }[] }>('branch.list', {})
  assert.ok(branches.some(({ name }) => name === branch))
  const { globSync } = await import('node:fs')
  const [folder] = globSync(join(rig.workspace.root, '**/branches', branch, 'shared.upper'))
  assert.ok(folder !== undefined, 'what the branch changes is found')
  writeFileSync(join(folder, 'notes.txt'), 'one\ntwo\nthree\n')
}
