/** The pages by which a person runs Oxbow, from a bare home: the setup, Settings, Agents and models, Memory, Schedules, Budgets. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { startModel, type TestModel } from '../support/model.ts'
import { openOwnerRig, type OwnerRig } from './owner-rig.ts'
import { asPhone, checkAccessible, noChromium, screenshot } from './web-fixture.ts'

describe('the pages of an owner', { skip: noChromium }, () => {
  let rig: OwnerRig
  let model: TestModel
  let page: Page
  const file = (): string => readFileSync(join(rig.workspace.root, 'config.toml'), 'utf8')
  const open = async (path: string, title: string): Promise<void> => {
    await page.evaluate((to) => {
      history.pushState(null, '', to)
      dispatchEvent(new PopStateEvent('popstate'))
    }, path)
    await page.getByRole('heading', { name: title, level: 1 }).waitFor()
  }
  /** Axe and a picture, wide and narrow. */
  const check = async (name: string): Promise<void> => {
    await checkAccessible(page)
    await screenshot(page, name)
    await asPhone(page, async () => {
      await checkAccessible(page)
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, `${name} is wider than a phone`)
      await screenshot(page, `${name}-phone`)
    })
  }
  before(async () => {
    ;[rig, model] = await Promise.all([openOwnerRig(), startModel([{ events: [{ text: 'Hello from the model.' }] }])])
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
    await page.getByRole('textbox', { name: 'Model' }).fill('test-model')
    await page.getByLabel('Context window').fill('32000')
    await page.locator('input[type=password]').fill('sk-owner-0123456789abcdef')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByLabel('Dollars').fill('20')
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
    const { text } = await rig.call<{ text: string }>('model.services', {}).then(({ model: facts }: any) => ({ text: facts.name }))
    assert.equal(text, 'test-model')
  })

  it('changes a setting after a review, restarts, and goes back to what worked before', async () => {
    await open('/settings', 'Settings')
    await page.getByLabel('approval.mode').waitFor()
    await check('settings')
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
})
