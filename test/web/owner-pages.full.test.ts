/** The pages by which a person runs Oxbow, from a bare home: the setup, Settings, Agents and models, Memory, Schedules, Budgets. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { startModel, type TestModel } from '../support/model.ts'
import { openOwnerRig, type OwnerRig } from './owner-rig.ts'
import { asPhone, checkAccessible, checkFits, noChromium, openPage, screenshot } from './web-fixture.ts'

describe('the pages of an owner', { skip: noChromium }, () => {
  let rig: OwnerRig
  let model: TestModel
  let page: Page
  const file = (): string => readFileSync(join(rig.workspace.root, 'config.toml'), 'utf8')
  const open = (path: string, title: string): Promise<void> => openPage(page, path, title)
  /** Axe, and a picture, wide and narrow. */
  const check = async (name: string): Promise<void> => {
    await checkAccessible(page)
    await screenshot(page, name)
    await asPhone(page, async () => {
      await checkFits(page, name)
      await screenshot(page, `${name}-phone`)
    })
  }
  before(async () => {
    ;[rig, model] = await Promise.all([
      openOwnerRig(),
      startModel({ turns: Array.from({ length: 4 }, () => ({ steps: [{ events: [{ text: 'Hello from the model.' }] }] })) }),
    ])
    page = rig.page
  })
  after(async () => {
    await rig[Symbol.asyncDispose]()
    await model[Symbol.asyncDispose]()
  })

  it('sets up a bare home: a model with its key, a budget, an isolation; the model then answers', async () => {
    await page.getByRole('heading', { name: 'Welcome to Oxbow' }).waitFor()
    await check('setup')
    await page.getByRole('radio', { name: /Another address/ }).check()
    await page.getByRole('textbox', { name: 'Address' }).fill(model.config.base_url)
    await page.getByRole('combobox', { name: 'Model' }).fill('test-model')
    await page.getByLabel('Context window').fill('32000')
    await page.locator('input[type=password]').fill('sk-owner-0123456789abcdef')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByLabel('Dollars').fill('20')
    await page.getByText('A budget in dollars needs the price of the model.').waitFor()
    await page.getByRole('button', { name: 'Back' }).click()
    await page.getByLabel('Dollars for a million tokens in').fill('1')
    await page.getByLabel('And out').fill('4')
    await page.getByRole('button', { name: 'Continue' }).click()
    await checkAccessible(page)
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('radio', { name: /Namespaces/ }).check()
    await checkAccessible(page)
    await page.getByRole('button', { name: 'Finish' }).click()
    await page.waitForURL((url) => url.pathname === '/')
    assert.match(file(), /base_url = "http:\/\/127/)
    const { budgets } = await rig.call<{ budgets: { scope: string; window: string }[] }>('budget.show', {})
    assert.deepEqual(
      budgets.map(({ scope, window }) => `${scope} ${window}`),
      ['user month'],
    )
    await page.getByRole('textbox', { name: /message/i }).fill('Hi')
    await page.keyboard.press('Enter')
    await page.getByText('Hello from the model.').first().waitFor()
  })

  it('changes a setting after a review, restarts, and goes back to what worked before', async () => {
    await open('/settings', 'Settings')
    await page.getByLabel('approval.mode').waitFor()
    await screenshot(page, 'settings')
    await page.getByLabel('Find a setting').fill('approval')
    await check('settings-search')
    // A field of the entries of a list is found by the list that has it.
    await page.getByLabel('Find a setting').fill('timeout_s')
    await page.locator('#section-mcp').getByText('servers').first().waitFor()
    assert.equal(await page.locator('#section-approval').count(), 0)
    await page.getByLabel('Find a setting').fill('approval.mode')
    await page.getByLabel('approval.mode').selectOption('manual')
    await page.getByRole('button', { name: 'Review and save' }).click()
    const dialog = page.getByRole('dialog', { name: 'Review the changes' })
    await dialog.getByText('+ mode = "manual"').waitFor()
    await checkAccessible(page)
    await screenshot(page, 'settings-review')
    await dialog.getByRole('button', { name: 'Save and restart' }).click()
    await dialog.waitFor({ state: 'hidden' })
    await page.locator('#section-approval').getByText('set by you').waitFor()
    assert.match(file(), /mode = "manual"/)
    await page.getByRole('button', { name: 'Restore the last configuration that worked' }).click()
    await page.getByRole('dialog').getByText('- mode = "manual"').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Save and restart' }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    assert.doesNotMatch(file(), /manual/)
  })

  it('names the line of a file that cannot be used, and saves nothing', async () => {
    await page.getByRole('tab', { name: 'File' }).click()
    const unchanged = file()
    await page.getByRole('textbox', { name: /config\.toml/ }).fill('[approval]\nmode = "sometimes"\n')
    await page.getByRole('button', { name: 'Review and save' }).click()
    await page.getByRole('dialog').getByText('line 2, approval.mode').waitFor()
    await checkAccessible(page)
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Discard' }).click()
    assert.equal(file(), unchanged)
  })

  it('keeps, finds, explains, rewrites and removes a memory, and draws the map', async () => {
    const facts = [
      ['Ada prefers short answers, with the command first.', 'style'],
      ['Commit messages are written in the imperative.', 'git'],
      ['The branch for releases is called stable.', 'git'],
      ['Invoices go to the folder /shared/accounting.', 'accounting'],
      ['The accountant needs the invoices by the fifth of each month.', 'accounting'],
      ['The bakery on the corner closes at six.', 'home'],
      ['Bread with walnuts is the favourite.', 'home'],
    ] as const
    for (const [content, tag] of facts) await rig.call('memory.save', { content, tags: [tag] })
    await open('/memory', 'Memory')
    await page.getByRole('button', { name: /Bread with walnuts/ }).waitFor()
    await check('memory')
    await page.getByRole('searchbox').fill('when are invoices due')
    await page.getByRole('button', { name: 'Search' }).click()
    await page
      .getByText(/by words|by meaning/)
      .first()
      .waitFor()
    await page.getByRole('button', { name: /The accountant needs/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('memory.save').waitFor()
    await checkAccessible(page)
    await screenshot(page, 'memory-why')
    await dialog.getByRole('button', { name: 'Edit' }).click()
    await dialog.getByRole('textbox', { name: 'What to remember' }).fill('The accountant needs the invoices by the tenth.')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.getByText('by the tenth').waitFor()
    await dialog.getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.getByRole('tab', { name: 'Map' }).click()
    await page.getByRole('img', { name: 'A map of 6 memories' }).waitFor()
    await check('memory-map')
    await page.getByRole('tab', { name: 'Numbers' }).click()
    await page.getByText('Without a vector').waitFor()
    await checkAccessible(page)
  })

  it('schedules a goal, runs it now, shows what it said, and pauses it', async () => {
    await open('/schedules', 'Schedules')
    await page.getByText('Nothing is scheduled.').waitFor()
    await checkAccessible(page)
    await page.getByRole('button', { name: 'New schedule' }).click()
    const form = page.getByRole('dialog', { name: 'New schedule' })
    await form.getByRole('textbox', { name: 'Name' }).fill('Morning report')
    await form.getByRole('textbox', { name: 'What is to be done' }).fill('Summarise what changed in /shared since yesterday.')
    await form.getByLabel('At', { exact: true }).fill('07:30')
    await checkAccessible(page)
    await form.getByRole('button', { name: 'Create' }).click()
    await page.getByRole('button', { name: 'Morning report' }).click()
    await page.getByText('every day at 07:30').first().waitFor()
    await page.getByRole('button', { name: 'Run now' }).click()
    await page.getByText('Hello from the model.').first().waitFor()
    await check('schedules')
    await page.getByRole('region', { name: 'Runs' }).getByRole('button').first().click()
    await page.getByRole('dialog').getByText('Hello from the model.').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText('paused').waitFor()
  })

  it('shows what is used of a budget, sets another, and removes it', async () => {
    await open('/budgets', 'Budgets')
    await page.getByRole('heading', { name: 'Everything, each month' }).waitFor()
    await page.getByRole('button', { name: 'New budget' }).click()
    const form = page.getByRole('dialog', { name: 'New budget' })
    await form.getByLabel('Window').selectOption('day')
    await form.getByLabel('Tokens').fill('200000')
    await form.getByLabel('Dollars').fill('2')
    await checkAccessible(page)
    await form.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('heading', { name: 'Everything, each day', exact: true }).waitFor()
    await check('budgets')
    await page.getByRole('button', { name: 'Remove: Everything, each day' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('heading', { name: 'Everything, each day', exact: true }).waitFor({ state: 'hidden' })
  })

  it('shows what models cost by day, model and session, and what the budgets count', async () => {
    await open('/costs', 'Costs')
    await page.getByRole('region', { name: 'Costs by day' }).waitFor()
    await check('costs')
    await page.getByRole('tab', { name: 'By model' }).click()
    await page.getByRole('cell', { name: /test-model/ }).waitFor()
    await page.getByRole('tab', { name: 'By session' }).click()
    await page.getByRole('region', { name: 'Costs by session' }).waitFor()
    await check('costs-sessions')
    const { sum, ledger } = await rig.call<{ sum: { micro_dollars: number }; ledger: { micro_dollars: number } }>('costs.show', {
      since: 'all',
    })
    assert.ok(sum.micro_dollars > 0)
    assert.equal(sum.micro_dollars, ledger.micro_dollars)
  })

  it('lists models with prices, services with the state of their keys, and roles; stores a key that nothing shows', async () => {
    await open('/models', 'Agents and models')
    await page.getByLabel('Find a model').fill('claude haiku')
    await page.getByRole('button', { name: 'Use anthropic/claude-haiku-4-5', exact: true }).waitFor()
    await check('models')
    await page.getByRole('tab', { name: 'Services and keys' }).click()
    await page.getByRole('button', { name: 'Add key: Anthropic' }).click()
    await page.locator('input[type=password]').fill('sk-ant-0123456789abcdefghij')
    await checkAccessible(page)
    await page.getByRole('button', { name: 'Store and restart' }).click()
    await page.getByRole('button', { name: 'Replace: Anthropic' }).waitFor()
    await check('models-services')
    assert.doesNotMatch(await page.content(), /sk-ant-0123/)
    await page.getByRole('tab', { name: 'Agents and roles' }).click()
    await page.getByText('supervisor').waitFor()
    await check('models-agents')
  })
})
