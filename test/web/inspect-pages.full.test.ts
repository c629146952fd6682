/** The pages by which a person looks inside: events, logs, users and control. A real server, as `oxbow serve` runs it, so that it can be stopped. */
import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { findGuest } from '../../src/runner/index.ts'
import { restartGuest, stopGuest } from '../../src/terminal/index.ts'
import { openServedRig, type OwnerRig } from './owner-rig.ts'
import { checkAccessible, checkLook, noChromium, openPage, screenshot } from './web-fixture.ts'

describe('the pages that look inside', { skip: noChromium }, () => {
  let rig: OwnerRig
  let page: Page
  const dialog = (): Locator => page.getByRole('dialog')
  before(async () => {
    rig = await openServedRig()
    page = rig.page
  })
  after(() => rig[Symbol.asyncDispose]())

  it('shows events as they happen, by kind, each with what it says', async () => {
    await openPage(page, '/events', 'Events')
    await page.getByRole('button', { name: 'key_used' }).first().waitFor()
    await page.getByRole('button', { name: 'Publish one…' }).click()
    await dialog().getByLabel('Kind').fill('build_done')
    await dialog().getByLabel('Data').fill('{"ok": true, "text": "<b>not bold</b>"}')
    await checkAccessible(page)
    await dialog().getByRole('button', { name: 'Publish' }).click()
    await page.getByText('Published custom_build_done.').waitFor()
    await page.getByRole('button', { name: 'custom_build_done' }).click()
    await dialog().getByText('<b>not bold</b>').waitFor()
    await checkAccessible(page)
    await page.keyboard.press('Escape')
    await checkLook(page, 'events')
    await screenshot(page, 'events')
    await page.getByLabel('Kinds').fill('nothing_such')
    await page.getByText('Nothing of these kinds has happened.').waitFor()
    await checkLook(page, 'no events')
    await page.getByLabel('Kinds').fill('custom_*')
    await page.getByRole('button', { name: 'custom_build_done' }).waitFor()
    assert.equal(new URL(page.url()).searchParams.get('kind'), 'custom_*')
  })

  it('shows the log by level, role and turn', async () => {
    await openPage(page, '/logs', 'Logs')
    await page.getByText('the guest is ready').first().waitFor()
    const lines = [
      'Error: something broke\n    at one (file.ts:1)\n    at two (file.ts:2)',
      JSON.stringify({
        level: 'warn',
        time: new Date().toISOString(),
        role: 'guest',
        turn: 'turn-1',
        call: 'call-1',
        msg: 'Slow <i>answer</i>',
        ms: 12,
      }),
      '{"level":50,"half',
      '\u001b[31mred\u001b[0m',
    ]
    appendFileSync(join(rig.workspace.logs, 'guest.log'), `${lines.join('\n')}\n`)
    const ofHands = { level: 'info', time: new Date().toISOString(), role: 'hands', msg: 'A program came.' }
    appendFileSync(join(rig.workspace.logs, 'hands.log'), `${JSON.stringify(ofHands)}\n`)
    await page.getByText('Slow <i>answer</i>').waitFor()
    await page.getByText('{"level":50,"half').waitFor()
    await page.getByText('something broke').waitFor()
    assert.match((await page.getByText('something broke').textContent()) ?? '', /at two/, 'a trace is one line')
    await checkLook(page, 'logs')
    await screenshot(page, 'logs')
    await page.getByLabel('From level').selectOption('warn')
    await page.getByText('A program came.').waitFor({ state: 'hidden' })
    await page.getByLabel('From level').selectOption('info')
    await page.getByLabel('Role').selectOption('hands')
    await page.getByText('Slow <i>answer</i>').waitFor({ state: 'hidden' })
    await page.getByLabel('Role').selectOption('')
    await page.getByRole('button', { name: 'turn turn-1' }).click()
    await page.getByText('A program came.').waitFor({ state: 'hidden' })
    assert.equal(new URL(page.url()).searchParams.get('turn'), 'turn-1')
  })

  it('restarts Oxbow, and stops it, after a question', async () => {
    await openPage(page, '/control?open=default', 'Users and control')
    await page.getByText('It runs in the background, until it is stopped.').waitFor()
    await checkLook(page, 'control')
    await screenshot(page, 'control')
    await page.getByRole('button', { name: 'Restart' }).click()
    await dialog().getByText(restartGuest.means).waitFor()
    await checkAccessible(page)
    await dialog().getByRole('button', { name: 'Restart' }).click()
    await page.getByText(restartGuest.done).waitFor()
    await page.getByRole('button', { name: 'Stop' }).click()
    await dialog().getByText(stopGuest.means).waitFor()
    await checkAccessible(page)
    await dialog().getByRole('button', { name: 'Stop' }).click()
    await page.getByText(stopGuest.done).waitFor()
    await page.getByText('Oxbow does not answer.').waitFor()
    assert.equal(await findGuest(rig.workspace), null)
  })
})
