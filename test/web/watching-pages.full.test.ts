/** The pages on which a person watches and checks: Now, Journal, Files and Health, with what a few turns leave behind. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import type { Page } from 'playwright-core'
import { asPhone, checkAccessible, noChromium, openWebRig, screenshot, type WebRig } from './web-fixture.ts'

const tool = (name: string, input: object) => ({ tool_call: { name, arguments: input } })
const plan = ['# Plan', '', '- Water the beds', '- Order seeds', ''].join('\n')
const garden = [
  'export const beds = 4',
  '',
  '/** Litres for each bed. */',
  'export function water(litres: number): string {',
  '  return `${beds * litres} l`',
  '}',
  '',
].join('\n')
/** Nothing of it may become markup, wherever it is shown. */
const hostile = '<img src=x onerror="document.title=`taken`">.txt'

const script = {
  turns: [
    {
      match: 'Plan the garden',
      steps: [
        { events: [tool('file_write', { path: 'notes/plan.md', text: plan }), tool('file_write', { path: 'garden.ts', text: garden })] },
        { events: [{ text: 'The plan is in notes/plan.md.' }], usage: { input: 2_400, output: 310 } },
      ],
    },
    {
      match: 'Add tomatoes',
      steps: [
        { events: [tool('file_edit', { path: 'notes/plan.md', find: '- Order seeds', replace: '- Order seeds\n- Plant tomatoes' })] },
        { events: [{ text: 'Tomatoes are in the plan.' }], usage: { input: 2_900, output: 120 } },
      ],
    },
    {
      match: 'Look after the garden',
      steps: [
        {
          events: [
            tool('agent_spawn', { task: 'Think about the soil', name: 'soil' }),
            tool('agent_spawn', { task: 'Think about water', name: 'water' }),
          ],
        },
        { events: [tool('agent_wait', { agents: ['soil', 'water'] })] },
      ],
    },
    { match: 'Think', steps: [{ events: [{ text: 'Let me see. ' }, { stall: true as const }] }] },
  ],
}

/** What each page must be, in both widths. */
async function checkPage(page: Page, name: string): Promise<void> {
  await checkAccessible(page)
  await screenshot(page, name)
  await asPhone(page, async () => {
    await checkAccessible(page)
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    assert.equal(overflow, 0, `${name} is wider than a phone`)
    await screenshot(page, `${name}-phone`)
  })
}

/** A day of work before this one, as the guest would have kept it: charts of an hour say little. */
function seedUsage(database: string): void {
  const db = new Sqlite(database)
  const add = db.prepare('insert into budget_use (user, budget, since, micro_dollars, tokens, calls, ms) values (?, ?, ?, ?, ?, ?, ?)')
  const hourMs = 3_600_000
  const now = Math.floor(Date.now() / hourMs)
  for (let ago = 1; ago < 30 * 24; ago++) {
    const hour = now - ago
    const calls = (ago * 7) % 11
    if (calls > 0)
      add.run('ada', `hour/${hour % (31 * 24)}`, hour * hourMs, calls * 9_000, calls * 3_100, calls, calls * (900 + ((ago * 131) % 1_400)))
  }
  db.close()
}

describe('the pages that watch', { skip: noChromium }, () => {
  let rig: WebRig
  let session = ''
  const open = async (path: string, title: string): Promise<void> => {
    await rig.page.goto(`${rig.address}${path}`)
    await rig.page.getByRole('heading', { name: title, level: 1 }).waitFor()
  }
  before(async () => {
    // Other tests keep the machine busy.
    rig = await openWebRig({
      script,
      config: { approval: { privileged: 'allow' }, resources: { cpu_percent: 100, load_per_processor: 1_000, interval_s: 1 } },
    })
    writeFileSync(join(rig.workspace.shared, hostile), 'hello\n')
    session = (await rig.call<{ id: string }>('session.create', { title: 'Garden' })).id
    for (const text of ['Plan the garden', 'Add tomatoes']) {
      await rig.call('turn.send', { text, session })
      // The commit after the turn, or this one: a version of its own for each turn.
      await rig.call('version.commit', { message: text })
    }
  })
  after(() => rig[Symbol.asyncDispose]())

  it('Journal finds records, shows a call whole, and checks the chain', async () => {
    const { page } = rig
    await open('/journal', 'Journal')
    await page.getByRole('button', { name: 'Verify' }).click()
    await page.getByText('The journal verifies').waitFor()
    await page.getByRole('cell', { name: 'file.edit done' }).first().waitFor()
    await checkPage(page, 'journal')
    await page.getByLabel('Call').fill('file.edit')
    await page.getByText('2 records', { exact: true }).waitFor()
    await page.getByRole('row').filter({ hasText: 'done' }).getByRole('button').click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('- Plant tomatoes').waitFor()
    await checkAccessible(page)
    await screenshot(page, 'journal-call')
    await dialog.getByRole('button', { name: 'All records of this turn' }).click()
    await page.getByText('Only the turn').waitFor()
    await page.getByRole('cell', { name: 'turn.send intent' }).waitFor()
  })

  it('Files shows the workspace, a file in colours, its versions, and takes uploads', async () => {
    const { page } = rig
    await open('/files', 'Files')
    await page.getByRole('treeitem', { name: 'notes' }).click()
    await page.getByRole('treeitem', { name: 'plan.md' }).waitFor()
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'seeds.csv', mimeType: 'text/csv', buffer: Buffer.from('kind,grams\nbasil,3\n') })
    await page.getByText('uploaded, ').waitFor()
    await page.getByRole('treeitem', { name: 'seeds.csv' }).click()
    await page.getByText('basil,3').waitFor()
    await page.getByRole('treeitem', { name: hostile }).click()
    await page.getByText('hello').waitFor()
    assert.equal(await page.title(), 'Files · Oxbow', 'a name of a file is never markup')
    await page.getByRole('treeitem', { name: 'garden.ts' }).click()
    await page.locator('.hljs-keyword').first().waitFor()
    await checkPage(page, 'files')
    await open('/files?path=/shared/notes/plan.md&view=history', 'Files')
    await page
      .getByText('- Plant tomatoes')
      .waitFor({ timeout: 5000 })
      .catch(() => page.screenshot({ path: '/tmp/w2/h.png' }))
    await checkPage(page, 'files-history')
  })

  it('Health says what works and what to do, also when it is opened by its address', async () => {
    const { page } = rig
    await open('/health', 'Health')
    await page.getByText(/answers\.$/).waitFor()
    await page.getByText('it is written').waitFor()
    await checkPage(page, 'health')
  })

  it('Now shows what runs while it does, and stops it', async () => {
    const { page } = rig
    // Last, because with use that nobody recorded the journal does not verify.
    await rig.kill()
    seedUsage(rig.workspace.database)
    await rig.restart()
    await open('/now', 'Now')
    await page.getByText('Nothing runs').waitFor()
    const turn = rig.call('turn.send', { text: 'Think', session })
    await rig.call('agent.spawn', { task: 'Look after the garden', name: 'gardener' })
    await page.getByText('Think about water', { exact: true }).waitFor()
    await page.getByText('waits for agents: ').waitFor()
    await page.getByRole('button', { name: 'Pause gardener and those below it' }).click()
    await page.getByRole('button', { name: 'Let gardener go on' }).click()
    await page.getByRole('button', { name: 'Write to gardener' }).click()
    await page.getByRole('dialog').getByLabel('Message').fill('Also the roses')
    await page.getByRole('dialog').getByRole('button', { name: 'Send' }).click()
    const running = page.locator('.turn').filter({ has: page.getByRole('link', { name: 'Garden', exact: true }) })
    await running.getByText('model.generate').waitFor()
    await page.getByRole('table', { name: 'Cost' }).waitFor({ state: 'attached' })
    await page.locator('.plot canvas').first().waitFor()
    await checkPage(page, 'now')
    await page.locator('.charts').scrollIntoViewIfNeeded()
    await screenshot(page, 'now-usage')
    await page.getByRole('button', { name: 'Stop Garden', exact: true }).click()
    await page.getByRole('button', { name: 'End gardener' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'End' }).click()
    await page.getByText('Nothing runs').waitFor()
    await page.getByText('No agents').waitFor()
    await turn
  })
})
