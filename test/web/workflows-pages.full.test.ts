/** The page of programs: one is installed after its rights were shown, run with input, looked at with its calls, switched off and removed. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { removeProgram } from '../../src/terminal/index.ts'
import { openOwnerRig, type OwnerRig } from './owner-rig.ts'
import { checkAccessible, checkLook, noChromium, openPage, personAt, screenshot } from './web-fixture.ts'

describe('the page of programs', { skip: noChromium }, () => {
  let rig: OwnerRig
  let page: Page
  const source = mkdtempSync(join(tmpdir(), 'oxbow-workflows-'))
  const { dialog, press, agree } = personAt(() => page)
  before(async () => {
    rig = await openOwnerRig()
    page = rig.page
    await rig.call('program.new', { folder: join(source, 'lines') })
    writeFileSync(join(rig.workspace.shared, 'list.txt'), 'one\ntwo\nthree\n')
  })
  after(async () => {
    await rig[Symbol.asyncDispose]()
    rmSync(source, { recursive: true, force: true })
  })

  it('shows what a program may do, and installs exactly that', async () => {
    await openPage(page, '/workflows', 'Workflows')
    await press('Install a program')
    await dialog().getByLabel('Source').fill(join(source, 'lines'))
    await dialog().getByRole('button', { name: 'Show what it is' }).click()
    await dialog().getByText('make the call file.read').waitFor()
    await dialog().getByText('it is new, and nobody has signed it').waitFor()
    await checkAccessible(page)
    await agree('Install')
    await page.getByText('Installed lines 0.1.0.').waitFor()
    await page.getByText('You have installed it.').waitFor()
    await page.getByText('reach files in /shared').waitFor()
    await checkLook(page, 'an installed program')
    await screenshot(page, 'workflows')
  })

  it('runs it with input, and shows its result and its calls', async () => {
    await press('Run…')
    await dialog().getByLabel('Input').fill('{"path": "/shared/list.txt"}')
    await dialog().getByRole('button', { name: 'Run' }).click()
    await page.getByText('"lines": 3').waitFor()
    await page.getByText('success').first().waitFor()
    await checkLook(page, 'a run of a program')
    await page.getByRole('link', { name: 'All that it has called' }).click()
    await page.getByText('file.read').first().waitFor()
  })

  it('switches it off and removes it', async () => {
    await openPage(page, '/workflows', 'Workflows')
    await page.getByRole('link', { name: /lines/ }).click()
    await press('Disable')
    await page.getByText('lines is switched off.').waitFor()
    await page.getByText('It does not run.').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Run…' }).isDisabled(), true)
    await press('Remove')
    await dialog().getByText(removeProgram('lines', '0.1.0').means).waitFor()
    await agree('Remove')
    // Those that come with Oxbow are left.
    await page.getByRole('link', { name: /guardian/ }).waitFor()
    await page.getByRole('link', { name: /lines/ }).waitFor({ state: 'detached' })
  })
})
