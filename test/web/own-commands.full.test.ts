/** Commands of the person and of a folder in the composer of the Chat page, with real files and a real runner. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openOwnerRig, type OwnerRig } from './owner-rig.ts'
import { asPhone, checkAccessible, noChromium, screenshot } from './web-fixture.ts'

describe('commands in the browser', { skip: noChromium }, () => {
  let rig: OwnerRig
  const write = (folder: string, name: string, text: string): void => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  const composer = () => rig.page.getByRole('textbox', { name: 'Message' })
  const list = () => rig.page.getByRole('list', { name: 'Commands' })
  before(async () => {
    rig = await openOwnerRig()
    write(join(rig.workspace.root, 'prompts'), 'echo.md', '---\ndescription: Say it\nargument-hint: WHAT\n---\n\nSay $1, then: $ARGUMENTS')
    write(join(rig.workspace.root, 'shared/.claude/commands'), 'ship.md', 'Ship it: $ARGUMENTS')
    await rig.page.goto(`${new URL(rig.page.url()).origin}/chat`)
    await composer().waitFor()
  })
  after(() => rig[Symbol.asyncDispose]())

  it('are listed behind a slash, completed by Tab or a click, and sent as the message that they stand for', async () => {
    const { page } = rig
    await composer().fill('/')
    await list().getByText('/echo WHAT').waitFor()
    assert.equal(await list().getByText('/ship').count(), 0, 'one of a folder counts when it is trusted')
    await checkAccessible(page)
    await screenshot(page, 'chat-commands')
    await asPhone(page, async () => assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390))
    await composer().fill('/E')
    await page.keyboard.press('Tab')
    assert.equal(await composer().inputValue(), '/echo ')
    assert.equal(await list().count(), 0)
    await composer().fill('/ec')
    await list().getByRole('button').click()
    await page.keyboard.type('"two words" $2')
    await page.keyboard.press('Enter')
    await page.getByText('Say two words, then: "two words" $2').first().waitFor()
    // What is still being sent is shown paler.
    await page.locator('[data-state="sending"]').waitFor({ state: 'detached' })
    assert.equal(await composer().inputValue(), '')
  })

  it('of a folder wait for trust, and the page names what gives it', async () => {
    const { page } = rig
    await composer().fill('/ship now')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('oxbow skills trust /ship').waitFor()
    assert.equal(await composer().inputValue(), '/ship now', 'nothing of what was written is lost')
    await checkAccessible(page)
    const { hash } = await rig.call<{ hash: string }>('skill.show', { target: '/ship' })
    await rig.call('skill.trust', { target: '/ship', hash })
    await page.keyboard.press('Enter')
    await page.getByText('Ship it: now').first().waitFor()
  })

  it('that do not exist are refused; two slashes send the text, and a path is a message', async () => {
    const { page } = rig
    await composer().fill('/shp now')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('There is no command /shp.').waitFor()
    await composer().fill('//shp now')
    await page.keyboard.press('Enter')
    await page.getByText('/shp now', { exact: true }).first().waitFor()
    await composer().fill('/etc/hosts is what?')
    await page.keyboard.press('Enter')
    await page.getByText('/etc/hosts is what?').first().waitFor()
  })
})
